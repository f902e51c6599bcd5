#pragma once
// A norm from its config text, in a store of its own.

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "nn/golden.h"
#include "support/tolerance.h"

namespace ingot::testing {

struct NormFixture {
  std::unique_ptr<Norm> norm;
  std::unique_ptr<Harness> harness;

  explicit NormFixture(const std::string& yaml, at::ScalarType dtype = at::kDouble, std::int64_t width = kModel) {
    const auto variant = configured<NormEntry>(yaml);
    harness = std::make_unique<Harness>(dtype, [&](const ParamScope& scope) {
      norm = variant.entry().make(variant.settings(), {scope, width, 1, Site::kInput, 0, 1});
    });
  }
  at::Tensor operator()(const at::Tensor& x) const { return norm->forward(x); }
  /// Parameters as a model starts with them.
  void start() { harness->store().initialise(1); }
};

/// Output and gradients against a case of tests/golden/FILE.safetensors.
inline void expect_norm_golden(const std::string& yaml, const std::string& name, const std::string& file = "norms") {
  const GoldenCase golden = golden_case(Golden(file), name + "/");
  NormFixture f(yaml, at::kDouble, golden.at("in/x").size(-1));
  load_params(*f.harness, golden);
  expect_golden(golden, *f.harness, [&](const at::Tensor& x) { return f(x); });
}

/// Rounding of a chain of row reductions and elementwise steps in fp64.
inline Tolerance row_tolerance(std::int64_t chain = 4) {
  return Tolerance::of(at::kDouble).reduction(kModel).chain(chain);
}

inline at::Tensor normal_rows(std::uint64_t seed = 1) { return random_normal({2, 3, kModel}, seed); }

/// Rows so long that no eps counts.
inline at::Tensor long_rows(std::uint64_t seed = 1) { return 1e10 * normal_rows(seed); }

inline ::testing::AssertionResult ignores_scale(const NormFixture& f) {
  return close(f(3 * long_rows()), f(long_rows()), row_tolerance());
}

}  // namespace ingot::testing
