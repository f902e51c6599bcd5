#include "support/gradcheck.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <set>

namespace ingot::testing {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// y = x^2 whose backward is off by `factor`.
struct WrongSquare : torch::autograd::Function<WrongSquare> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, double factor) {
    context->save_for_backward({x});
    context->saved_data["factor"] = factor;
    return x.mul(x);
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    const double factor = context->saved_data["factor"].toDouble();
    return {grads[0].mul(context->get_saved_variables()[0]).mul(2 * factor), at::Tensor()};
  }
};

CheckedFunction square(double factor) {
  return [factor](const std::vector<at::Tensor>& in) {
    return std::vector<at::Tensor>{WrongSquare::apply(in[0], factor)};
  };
}

TEST(GradCheck, AcceptsCorrectGradients) {
  const auto f = [](const std::vector<at::Tensor>& in) {
    return std::vector<at::Tensor>{at::tanh(at::mm(in[0], in[1])), in[0].exp()};
  };
  EXPECT_TRUE(gradcheck(f, {random_normal({3, 4}, 1), random_normal({4, 5}, 2)}));
  EXPECT_TRUE(gradcheck(square(1), {random_normal({5}, 1)}));
}

TEST(GradCheck, RejectsSlightlyWrongGradients) {
  for (const double factor : {0.0, -1.0, 2.0, 1 + 1e-4, 1 - 1e-5}) {
    EXPECT_FALSE(gradcheck(square(factor), {random_normal({5}, 1)})) << factor;
  }
}

TEST(GradCheck, RejectsOneWrongElement) {
  // The gradient of one of 200 elements is missing.
  const auto f = [](const std::vector<at::Tensor>& in) {
    at::Tensor x = in[0];
    return std::vector<at::Tensor>{at::tanh(x.narrow(0, 0, 199)), at::tanh(x.narrow(0, 199, 1).detach())};
  };
  EXPECT_FALSE(gradcheck(f, {random_normal({200}, 1)}));
}

TEST(GradCheck, NamesTheInput) {
  const auto f = [](const std::vector<at::Tensor>& in) { return std::vector<at::Tensor>{in[0] * in[1].detach()}; };
  const auto result = gradcheck(f, {random_normal({3}, 1), random_normal({3}, 2)});
  EXPECT_FALSE(result);
  EXPECT_NE(std::string(result.message()).find("input 1"), std::string::npos) << result.message();
}

TEST(GradCheck, RejectsNonFiniteAndMissingGraph) {
  const auto log = [](const std::vector<at::Tensor>& in) { return std::vector<at::Tensor>{in[0].abs().neg().log()}; };
  EXPECT_FALSE(gradcheck(log, {random_normal({3}, 1)}));
  const auto cut = [](const std::vector<at::Tensor>& in) { return std::vector<at::Tensor>{in[0].detach() * 2}; };
  EXPECT_FALSE(gradcheck(cut, {random_normal({3}, 1)}));
  const auto nan = [](const std::vector<at::Tensor>& in) {
    // Finite value, NaN gradient: sqrt at 0 times 0.
    return std::vector<at::Tensor>{(in[0] * 0).sqrt()};
  };
  EXPECT_FALSE(gradcheck(nan, {random_normal({3}, 1)}));
}

TEST(GradCheck, RejectsOtherTypes) {
  const auto f = [](const std::vector<at::Tensor>& in) { return std::vector<at::Tensor>{in[0] * 2}; };
  EXPECT_FALSE(gradcheck(f, {random_normal({3}, 1, at::kFloat)}));
  const auto down = [](const std::vector<at::Tensor>& in) { return std::vector<at::Tensor>{in[0].to(at::kFloat)}; };
  EXPECT_FALSE(gradcheck(down, {random_normal({3}, 1)}));
}

TEST(GradCheck, ChecksParametersWithTheirOwnBuffers) {
  at::Tensor weight = random_normal({4, 3}, 5).requires_grad_();
  at::Tensor buffer = at::zeros({4, 3}, at::kDouble);
  {
    at::NoGradGuard no_grad;
    weight.mutable_grad() = buffer;
  }
  const at::Tensor before = weight.detach().clone();
  const auto f = [&](const std::vector<at::Tensor>& in) {
    return std::vector<at::Tensor>{at::tanh(at::mm(in[0], weight.t()))};
  };
  EXPECT_TRUE(gradcheck(f, {random_normal({2, 3}, 6)}, {{"weight", weight, buffer}}));
  EXPECT_TRUE(weight.detach().equal(before));
  const auto wrong = [&](const std::vector<at::Tensor>& in) {
    return std::vector<at::Tensor>{at::tanh(at::mm(in[0], weight.t().detach()))};
  };
  const auto result = gradcheck(wrong, {random_normal({2, 3}, 6)}, {{"weight", weight, buffer}});
  EXPECT_FALSE(result);
  EXPECT_NE(std::string(result.message()).find("weight"), std::string::npos);
}

TEST(GradCheck, PassesIntegersThrough) {
  const auto f = [](const std::vector<at::Tensor>& in) {
    return std::vector<at::Tensor>{in[1].index_select(0, in[0])};
  };
  EXPECT_TRUE(gradcheck(f, {at::arange(2, at::kLong), random_normal({3}, 1)}));
}

TEST(RandomNormal, IsStandardAndDependsOnTheSeedOnly) {
  const at::Tensor x = random_normal({100, 100}, 3);
  EXPECT_NEAR(x.mean().item<double>(), 0, 0.05);
  EXPECT_NEAR(x.std().item<double>(), 1, 0.05);
  EXPECT_TRUE(x.equal(random_normal({100, 100}, 3)));
  EXPECT_FALSE(x.equal(random_normal({100, 100}, 4)));
}

}  // namespace
}  // namespace ingot::testing
