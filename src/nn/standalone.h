#pragma once
// Modules of nn outside a model: in a store of their own, with random weights, on sequences made by hand. What
// conformance tests and benchmarks run a variant in.

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>

#include "nn/branch.h"
#include "params/store.h"

namespace ingot {

/// A store around one module, whose parameters lie under "m.".
class StandaloneStore {
 public:
  /// `declare` makes the module in the scope. Masters are fp64 if `dtype` is, else fp32; every parameter then gets
  /// random values (about its start value) that are exact in `dtype`. `families` must have parametrizations and inits.
  StandaloneStore(const Families& families, at::ScalarType dtype, const std::function<void(const ParamScope&)>& declare,
                  at::Device device = at::kCPU);

  /// Parameters by their names below "m.", as the module uses them: copies in fp64.
  ParamMap params() const;
  ParameterStore& store() { return store_; }
  const ParameterStore& store() const { return store_; }

 private:
  void fill(at::ScalarType dtype);
  ParameterStore store_;
};

/// What an operator's branch of that width may know without a model around it.
BranchContext standalone_branch(const Families& families, const ParamScope& scope, std::int64_t d_model,
                                std::int64_t max_length);

/// One document a row, positions from `first`.
SequenceContext plain_context(std::int64_t batch, std::int64_t length, std::int64_t first = 0, std::int64_t prefix = 0,
                              at::Device device = at::kCPU);

}  // namespace ingot
