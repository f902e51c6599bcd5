#pragma once
// What inits draw.

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "base/random.h"
#include "base/text.h"
#include "support/weights.h"

namespace ingot::testing {

/// A parameter as operators declare it: part of a sub-layer, [out, in].
inline ParamInfo matrix_info(const std::string& part, RoleSet roles, std::int64_t out, std::int64_t in,
                             int hidden_axis) {
  ParamInfo info;
  info.part = part;
  info.roles = roles;
  info.shape = {out, in};
  info.fan_in = in;
  info.fan_out = out;
  info.hidden_axis = hidden_axis;
  return info;
}

/// Matrices of a model of width 64 with an ffn of width 256.
struct Matrices {
  ParamInfo q = matrix_info("q", Role::kReadsStream, 64, 64, 1);
  ParamInfo v = matrix_info("v", Role::kReadsStream, 32, 64, 1);
  ParamInfo o = matrix_info("o", Role::kWritesStream, 64, 64, 0);
  ParamInfo gate = matrix_info("gate", Role::kReadsStream, 256, 64, 1);
  ParamInfo up = matrix_info("up", Role::kReadsStream, 256, 64, 1);
  ParamInfo down = matrix_info("down", Role::kWritesStream, 64, 256, 0);
  ParamInfo embedding = matrix_info("", Role::kEmbedding, 1000, 64, 1);
};

/// The init that the config text describes, for a model of `num_sublayers` residual branches.
inline std::unique_ptr<Init> make_init(const std::string& yaml, int num_sublayers) {
  const auto config = weights_config("init: " + yaml);
  return config.init.entry().make(config.init.settings(), InitContext{num_sublayers});
}

/// What the init fills such a parameter with, in fp64.
inline at::Tensor drawn(const Init& init, const ParamInfo& info, std::uint64_t seed = 1) {
  at::Tensor weight = at::empty(info.shape, at::kDouble);
  RandomStream random(seed, "drawn");
  init.fill(weight, info, random);
  return weight;
}

/// The number that standard normal values of the same stream were multiplied with: one number, or the test fails. 0 for
/// zeros.
inline double std_of(const Init& init, const ParamInfo& info) {
  at::Tensor unit = at::empty(info.shape, at::kDouble);
  RandomStream random(1, "drawn");
  normal_init(1)(unit, info, random);
  const at::Tensor ratio = drawn(init, info) / unit;
  const double std = ratio.mean().item<double>();
  EXPECT_LT((ratio - std).abs().max().item<double>(), 1e-12)
      << "not normal values of one deviation: " << init.text(info);
  return std;
}

/// Mean, deviation and fourth moment of n values, which have these for the distribution: within five standard errors.
inline void expect_moments(const at::Tensor& values, double std, double kurtosis, double sixth_and_eighth_error) {
  const auto n = static_cast<double>(values.numel());
  EXPECT_NEAR(values.mean().item<double>(), 0, 5 * std / std::sqrt(n));
  EXPECT_NEAR(values.std().item<double>(), std, 5 * std * std::sqrt((kurtosis - 1) / (4 * n)));
  EXPECT_NEAR((values / std).pow(4).mean().item<double>(), kurtosis, 5 * sixth_and_eighth_error / std::sqrt(n));
}
/// Var z⁴ = 105 - 9 for normal z.
inline void expect_normal(const at::Tensor& values, double std) { expect_moments(values, std, 3, std::sqrt(96.0)); }
/// Uniform on (-bound, bound), and close to both ends of it. With z of deviation 1 on ±sqrt(3): z⁴ has mean 9/5, and z⁸
/// 9.
inline void expect_uniform(const at::Tensor& values, double bound) {
  expect_moments(values, bound / std::sqrt(3.0), 1.8, std::sqrt(9 - 1.8 * 1.8));
  const auto n = static_cast<double>(values.numel());
  EXPECT_LT(values.abs().max().item<double>(), bound);
  EXPECT_GT(values.max().item<double>(), bound * (1 - 20 / n));
  EXPECT_LT(values.min().item<double>(), -bound * (1 - 20 / n));
}

}  // namespace ingot::testing
