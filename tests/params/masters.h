#pragma once
// Parametrizations on one parameter, outside of a store.

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "support/weights.h"

namespace ingot::testing {

/// As the config has it: "{type: weight_norm, per: matrix}". Throws ConfigError.
std::unique_ptr<Parametrization> parametrization(const std::string& text);

ParamInfo matrix_info(std::int64_t rows, std::int64_t columns, Role role = Role::kReadsStream);

/// A parametrization of a matrix, in fp64.
struct Parametrized {
  /// Masters that start from `weight`.
  Parametrized(const std::string& text, const at::Tensor& weight);
  at::Tensor weight() const;
  /// Gradients of the masters, undefined for state.
  std::vector<at::Tensor> pull_back(const at::Tensor& upstream) const;
  void advance(int steps) {
    for (int i = 0; i < steps; ++i) p->advance(masters);
  }

  std::unique_ptr<Parametrization> p;
  ParamInfo info;
  std::vector<MasterSpec> specs;
  std::vector<at::Tensor> masters;
};

}  // namespace ingot::testing
