// Norms of rows: fused kernels against their plain forms and against differences.

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <functional>
#include <vector>

#include "ops/dyt/dyt.h"
#include "ops/layer_norm/layer_norm.h"
#include "ops/rms_norm/rms_norm.h"
#include "ops/seed_norm/seed_norm.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

using Tensors = std::vector<at::Tensor>;
using OutType = std::optional<at::ScalarType>;

/// Inputs: x, then a gate (where it has one), then parameters.
struct NormCase {
  const char* name;
  std::function<at::Tensor(const Tensors& in, OutType type)> kernel;
  std::function<at::Tensor(const Tensors& in)> reference;
  int num_parameters;
  bool has_gate = false;
  bool has_slope = false;  // the first parameter is one number
  bool writes_bf16 = true;
};

const std::vector<NormCase> kCases = {
    {"rms_norm", [](const Tensors& t, OutType o) { return ops::rms_norm(t[0], t[1], 1e-6, o); },
     [](const Tensors& t) { return ops::rms_norm_reference(t[0], t[1], 1e-6); }, 1},
    {"rms_norm_without_gain", [](const Tensors& t, OutType o) { return ops::rms_norm(t[0], {}, 0.5, o); },
     [](const Tensors& t) { return ops::rms_norm_reference(t[0], {}, 0.5); }, 0},
    {"l2_norm", [](const Tensors& t, OutType) { return ops::l2_norm(t[0], 1e-3, 0.25); },
     [](const Tensors& t) { return ops::l2_norm_reference(t[0], 1e-3, 0.25); }, 0, false, false, false},
    {"gated_rms_norm", [](const Tensors& t, OutType) { return ops::gated_rms_norm(t[0], t[1], t[2], 1e-5); },
     [](const Tensors& t) { return ops::gated_rms_norm_reference(t[0], t[1], t[2], 1e-5); }, 1, true, false, false},
    {"layer_norm", [](const Tensors& t, OutType o) { return ops::layer_norm(t[0], t[1], t[2], 1e-5, o); },
     [](const Tensors& t) { return ops::layer_norm_reference(t[0], t[1], t[2], 1e-5); }, 2},
    {"layer_norm_without_bias", [](const Tensors& t, OutType o) { return ops::layer_norm(t[0], t[1], {}, 0.5, o); },
     [](const Tensors& t) { return ops::layer_norm_reference(t[0], t[1], {}, 0.5); }, 1},
    {"dyt", [](const Tensors& t, OutType o) { return ops::dyt(t[0], t[1], t[2], t[3], o); },
     [](const Tensors& t) { return ops::dyt_reference(t[0], t[1], t[2], t[3]); }, 3, false, true},
    {"dyt_without_bias", [](const Tensors& t, OutType o) { return ops::dyt(t[0], t[1], t[2], {}, o); },
     [](const Tensors& t) { return ops::dyt_reference(t[0], t[1], t[2], {}); }, 2, false, true},
    {"seed_norm", [](const Tensors& t, OutType o) { return ops::seed_norm(t[0], t[1], t[2], t[3], 1, 1e-5, o); },
     [](const Tensors& t) { return ops::seed_norm_reference(t[0], t[1], t[2], t[3], 1, 1e-5); }, 3},
    {"seed_norm_in_groups",
     [](const Tensors& t, OutType o) { return ops::seed_norm(t[0], t[1], t[2], t[3], 3, 0.5, o); },
     [](const Tensors& t) { return ops::seed_norm_reference(t[0], t[1], t[2], t[3], 3, 0.5); }, 3}};

/// fp64 values that are exact in `dtype`; parameters are exact in bf16 and so in every type.
Tensors inputs(const NormCase& c, at::IntArrayRef shape, at::ScalarType dtype) {
  Tensors out = {random_normal(shape, 1)};
  if (c.has_gate) out.push_back(random_normal(shape, 2));
  for (at::Tensor& t : out) t = t.to(dtype).to(at::kDouble);
  for (int i = 0; i < c.num_parameters; ++i) {
    const std::int64_t count = i == 0 && c.has_slope ? 1 : shape.back();
    // Small enough that a tanh of a sum over the row does not saturate.
    out.push_back(random_normal({count}, 3 + static_cast<std::uint64_t>(i)).mul(0.3).to(at::kBFloat16).to(at::kDouble));
  }
  return out;
}

/// x and gate in `dtype`, parameters in the type of sums, all leaves.
Tensors leaves(const NormCase& c, const Tensors& values, at::ScalarType dtype) {
  Tensors out;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool of_rows = i < (c.has_gate ? 2u : 1u);
    const at::ScalarType type = of_rows || dtype == at::kDouble ? dtype : at::kFloat;
    out.push_back(values[i].to(type).clone().requires_grad_(true));
  }
  return out;
}

/// y, then the gradient of <y, dy> in every input.
Tensors pass(const at::Tensor& y, const Tensors& in, const at::Tensor& dy) {
  torch::autograd::backward({y}, {dy.to(y.scalar_type())});
  Tensors out = {y.detach()};
  for (const at::Tensor& t : in) out.push_back(t.grad());
  return out;
}

class RowNorms : public ::testing::TestWithParam<NormCase> {};

/// Widths with and without a rest after whole vectors, few rows and many.
const std::vector<std::vector<std::int64_t>> kShapes = {{2, 3, 6}, {3, 48}, {1, 51}, {300, 66}};

TEST_P(RowNorms, AgreeWithTheReference) {
  const NormCase& c = GetParam();
  for (const at::ScalarType dtype : {at::kDouble, at::kFloat, at::kBFloat16}) {
    for (const auto& shape : kShapes) {
      const Tensors values = inputs(c, shape, dtype), in = leaves(c, values, dtype);
      const Tensors exact = leaves(c, values, at::kDouble);
      const at::Tensor dy = random_normal(shape, 9).to(dtype).to(at::kDouble);
      const Tensors actual = pass(c.kernel(in, std::nullopt), in, dy), expected = pass(c.reference(exact), exact, dy);
      const std::int64_t rows = dy.numel() / shape.back();
      for (std::size_t i = 0; i < actual.size(); ++i) {
        const std::int64_t terms = i < (c.has_gate ? 3u : 2u) ? shape.back() : shape.back() * rows;
        Tolerance tolerance = Tolerance::of(dtype).reduction(terms).chain(3);
        tolerance.dtype = actual[i].scalar_type();
        EXPECT_TRUE(close(actual[i], expected[i], tolerance))
            << dtype << " " << at::IntArrayRef(shape) << " result " << i;
      }
    }
  }
}

TEST_P(RowNorms, GradientsMatchDifferences) {
  const NormCase& c = GetParam();
  const auto f = [&](const Tensors& in) { return Tensors{c.kernel(in, std::nullopt)}; };
  EXPECT_TRUE(gradcheck(f, inputs(c, {2, 5, 21}, at::kDouble)));
}

TEST_P(RowNorms, WriteTheTypeOfTheReader) {
  const NormCase& c = GetParam();
  if (!c.writes_bf16) GTEST_SKIP() << "gives the type of x only";
  const Tensors values = inputs(c, {7, 36}, at::kFloat), in = leaves(c, values, at::kFloat),
                exact = leaves(c, values, at::kDouble);
  const at::Tensor dy = random_normal({7, 36}, 9).to(at::kBFloat16).to(at::kDouble);
  const Tensors actual = pass(c.kernel(in, at::kBFloat16), in, dy), expected = pass(c.reference(exact), exact, dy);
  EXPECT_TRUE(close(actual[0], expected[0], Tolerance::of(at::kBFloat16)));
  for (std::size_t i = 1; i < actual.size(); ++i) {
    EXPECT_TRUE(close(actual[i], expected[i], Tolerance::of(at::kFloat).reduction(7 * 36).chain(3))) << i;
  }
}

TEST_P(RowNorms, TakeRowsInsideWiderOnes) {
  const NormCase& c = GetParam();
  const Tensors in = inputs(c, {4, 10, 24}, at::kDouble);
  const auto heads = [](const at::Tensor& x) { return x.view({4, 10, 4, 6}).narrow(2, 1, 2); };
  Tensors parts = in, whole = in;
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (in[i].dim() == 3) {
      parts[i] = heads(in[i]);
      whole[i] = parts[i].contiguous();
    } else {
      parts[i] = whole[i] = in[i].size(0) == 1 ? in[i] : in[i].narrow(0, 3, 6);
    }
  }
  EXPECT_TRUE(same_bits(c.kernel(parts, std::nullopt), c.kernel(whole, std::nullopt)));
}

TEST_P(RowNorms, ThreadsChangeNoBits) {
  const NormCase& c = GetParam();
  const Tensors values = inputs(c, {900, 48}, at::kFloat);
  const at::Tensor dy = random_normal({900, 48}, 9);
  const auto run = [&](int threads) {
    at::set_num_threads(threads);
    const Tensors in = leaves(c, values, at::kFloat);
    return pass(c.kernel(in, std::nullopt), in, dy);
  };
  const int threads = at::get_num_threads();
  const Tensors one = run(1), three = run(3);
  at::set_num_threads(threads);
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(same_bits(three[i], one[i])) << i;
}

TEST_P(RowNorms, TakeNoRows) {
  const NormCase& c = GetParam();
  const Tensors in = leaves(c, inputs(c, {0, 12}, at::kDouble), at::kFloat);
  const Tensors out = pass(c.kernel(in, std::nullopt), in, random_normal({0, 12}, 9));
  EXPECT_EQ(out[1].numel(), 0);
  for (std::size_t i = 2; i < out.size(); ++i) EXPECT_EQ(out[i].abs().sum().item<double>(), 0) << i;
}

TEST_P(RowNorms, HaveOneDerivative) {
  const NormCase& c = GetParam();
  const Tensors in = leaves(c, inputs(c, {2, 12}, at::kDouble), at::kDouble);
  const at::Tensor y = c.kernel(in, std::nullopt);
  EXPECT_THROW(torch::autograd::grad({y.sum()}, {in[0]}, {}, true, true), c10::Error);
}

INSTANTIATE_TEST_SUITE_P(Ops, RowNorms, ::testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace ingot::testing
