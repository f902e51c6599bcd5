#pragma once
// Modules of nn in a store of their own, with random weights.

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "nn/activation.h"
#include "nn/branch.h"
#include "nn/position.h"
#include "params/store.h"
#include "support/gradcheck.h"

namespace ingot::testing {

/// The families that modules of nn and the store need.
const Families& nn_families();

/// The settings that tests run an entry with: its samples, or its defaults.
std::vector<Sample> samples_of(const Entry& entry, const Samples& samples);

/// A store around one module, whose parameters lie under "m.".
class Harness {
 public:
  /// `declare` makes the module in the scope. Masters are fp64 if `dtype` is, else fp32; every parameter then gets random
  /// values (about its start value) that are exact in `dtype`.
  template <class F>
  Harness(at::ScalarType dtype, F declare) : store_(std::make_unique<ParameterStore>()) {
    declare(ParamScope(*store_).sub("m"));
    fill(dtype);
  }

  /// Parameters by their names below "m.", as the module uses them, in fp64.
  ParamMap params() const;
  std::vector<CheckedParameter> checked() const;
  std::int64_t num_parameters() const;
  void zero_grads() { store_->zero_grads(); }
  /// Gradients of all parameters, one behind another.
  at::Tensor grads() const;
  ParameterStore& store() { return *store_; }

 private:
  void fill(at::ScalarType dtype);
  std::unique_ptr<ParameterStore> store_;
};

/// Mixer or Ffn with its harness.
template <class M>
struct Built {
  std::unique_ptr<M> module;
  std::unique_ptr<Harness> harness;
};

inline constexpr std::int64_t kModel = 32;  // d_model that samples suit

BranchContext branch_context(const ParamScope& scope, Recompute recompute = Recompute::kNone);
Built<Mixer> build_mixer(const std::string& name, const ConfigObject& settings, at::ScalarType dtype,
                         Recompute recompute = Recompute::kNone);
Built<Ffn> build_ffn(const std::string& name, const ConfigObject& settings, at::ScalarType dtype,
                     Recompute recompute = Recompute::kNone);

void configure(AnyVariant& variant, const std::string& yaml);

/// A variant as the config text describes it: "{type: gelu, tanh: true}". Throws ConfigError.
template <class E>
Variant<E> configured(const std::string& yaml) {
  Variant<E> variant;
  configure(variant, yaml);
  return variant;
}

/// One document a row, positions from `first`.
SequenceContext plain_context(std::int64_t batch, std::int64_t length, std::int64_t first = 0, std::int64_t prefix = 0);
/// Documents [B, T]; positions restart at `prefix` in each. With `continued` >= 0, document 0 goes on at that position.
SequenceContext document_context(const at::Tensor& document, std::int64_t prefix = 0, std::int64_t continued = -1);
/// Document numbers of rows with documents of the given lengths.
at::Tensor documents_of(const std::vector<std::vector<std::int64_t>>& lengths);

}  // namespace ingot::testing
