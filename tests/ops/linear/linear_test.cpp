#include "ops/linear/linear.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include "device/matmul.h"
#include "support/allocations.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

/// A leaf of autograd with its wide gradient, as the parameter store makes it.
struct Weight {
  Weight(std::int64_t out, std::int64_t in, at::ScalarType dtype, std::uint64_t seed = 1)
      : grad(at::zeros({out, in}, dtype == at::kDouble ? at::kDouble : at::kFloat)) {
    value = random_normal({out, in}, seed, dtype).requires_grad_();
    value.set_grad_dtype(grad.scalar_type());
    value.mutable_grad() = grad;
  }
  at::Tensor operator()(const at::Tensor& x) const { return ops::linear(x, value, grad); }
  at::Tensor grad, value;
};

TEST(Linear, PassesTheGradientCheck) {
  const Weight weight(5, 7, at::kDouble);
  const auto f = [&](const std::vector<at::Tensor>& in) { return std::vector<at::Tensor>{weight(in[0]).tanh()}; };
  for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{7}, {4, 7}, {2, 3, 7}, {2, 2, 2, 7}}) {
    EXPECT_TRUE(gradcheck(f, {random_normal(shape, 2)}, {{"weight", weight.value, weight.grad}})) << shape.size();
  }
  // Input, upstream gradient: not contiguous.
  const auto transposed = [&](const std::vector<at::Tensor>& in) {
    return std::vector<at::Tensor>{weight(in[0].transpose(0, 1)).transpose(0, 1).narrow(-1, 1, 3)};
  };
  EXPECT_TRUE(gradcheck(transposed, {random_normal({2, 3, 7}, 2)}, {{"weight", weight.value, weight.grad}}));
  // Stride 0: the gradient of a sum.
  const auto summed = [&](const std::vector<at::Tensor>& in) {
    return std::vector<at::Tensor>{weight(in[0].expand({4, 7})).sum()};
  };
  EXPECT_TRUE(gradcheck(summed, {random_normal({1, 7}, 2)}, {{"weight", weight.value, weight.grad}}));
}

TEST(Linear, AgreesWithFp64InEachType) {
  constexpr std::int64_t kTokens = 96, kIn = 64, kOut = 40;
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    Weight weight(kOut, kIn, dtype);
    const at::Tensor x = random_normal({2, kTokens / 2, kIn}, 2, dtype).requires_grad_();
    const at::Tensor dy = random_normal({2, kTokens / 2, kOut}, 3, dtype);
    const at::Tensor y = weight(x);
    EXPECT_EQ(y.scalar_type(), dtype);
    y.backward(dy);

    const at::Tensor x2 = x.detach().to(at::kDouble).view({-1, kIn}), dy2 = dy.to(at::kDouble).view({-1, kOut});
    const at::Tensor w = weight.value.detach().to(at::kDouble);
    EXPECT_TRUE(close(y.view({-1, kOut}), at::mm(x2, w.t()), Tolerance::of(dtype).reduction(kIn)));
    EXPECT_TRUE(close(x.grad().view({-1, kIn}), at::mm(dy2, w), Tolerance::of(dtype).reduction(kOut)));
    // dW is fp32-accurate even from bf16.
    EXPECT_TRUE(close(weight.grad, at::mm(dy2.t(), x2), Tolerance::of(at::kFloat).reduction(kTokens)));
    // It adds.
    weight(x).backward(dy);
    EXPECT_TRUE(close(weight.grad, at::mm(dy2.t(), x2) * 2, Tolerance::of(at::kFloat).reduction(kTokens)));
  }
}

TEST(Linear, CastsWiderInputsAndReturnsTheirGradient) {
  Weight weight(6, 8, at::kBFloat16);
  const at::Tensor x = random_normal({5, 8}, 2, at::kFloat).requires_grad_();
  const at::Tensor y = weight(x);
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  y.sum().backward();
  EXPECT_EQ(x.grad().scalar_type(), at::kFloat);
  EXPECT_TRUE(close(x.grad().to(at::kBFloat16), weight.value.detach().to(at::kDouble).sum(0, true).expand({5, 8}),
                    Tolerance::of(at::kBFloat16)));
}

TEST(Linear, WorksWhenOnlyOneSideNeedsAGradient) {
  Weight weight(6, 8, at::kFloat);
  const at::Tensor x = random_normal({5, 8}, 2, at::kFloat);
  weight(x).sum().backward();
  EXPECT_TRUE(
      close(weight.grad, x.to(at::kDouble).sum(0, true).expand({6, 8}), Tolerance::of(at::kFloat).reduction(5)));

  const at::Tensor frozen = weight.value.detach(), buffer = at::zeros({6, 8});
  const at::Tensor leaf = x.clone().requires_grad_();
  ops::linear(leaf, frozen, buffer).sum().backward();
  EXPECT_TRUE(
      close(leaf.grad(), frozen.to(at::kDouble).sum(0, true).expand({5, 8}), Tolerance::of(at::kFloat).reduction(6)));
  EXPECT_TRUE(buffer.equal(at::zeros({6, 8})));
}

TEST(Linear, KeepsNoGraphWithoutGradientMode) {
  Weight weight(6, 8, at::kFloat);
  const at::Tensor x = random_normal({5, 8}, 2, at::kFloat);
  const at::Tensor with = weight(x);
  at::NoGradGuard no_grad;
  const at::Tensor without = weight(x);
  EXPECT_FALSE(without.requires_grad());
  EXPECT_TRUE(same_bits(without, with));
}

TEST(Linear, TakesNoTokens) {
  Weight weight(6, 8, at::kBFloat16);
  const at::Tensor x = random_normal({0, 8}, 2, at::kBFloat16).requires_grad_();
  const at::Tensor y = weight(x);
  EXPECT_EQ(y.sizes(), (std::vector<std::int64_t>{0, 6}));
  y.sum().backward();
  EXPECT_TRUE(weight.grad.equal(at::zeros({6, 8})));
}

struct CountingHook : torch::autograd::PostAccumulateGradHook {
  explicit CountingHook(int* count) : count_(count) {}
  void operator()(const torch::autograd::Variable&) override { ++*count_; }
  int* count_;
};

TEST(Linear, AccumulationHooksFireOncePerBackward) {
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    Weight weight(6, 8, dtype);
    int count = 0;
    torch::autograd::impl::set_post_acc_grad_hooks(weight.value, std::make_unique<CountingHook>(&count));
    const at::Tensor x = random_normal({5, 8}, 2, dtype);
    const void* buffer = weight.grad.const_data_ptr();
    (weight(x).sum() + weight(x * 2).sum() + weight(x * 3).sum()).backward();
    EXPECT_EQ(count, 1);
    weight(x).sum().backward();
    EXPECT_EQ(count, 2);
    EXPECT_EQ(weight.value.grad().const_data_ptr(), buffer);
  }
}

TEST(Linear, RefusesASecondDerivative) {
  Weight weight(6, 8, at::kFloat);
  const at::Tensor x = random_normal({5, 8}, 2, at::kFloat).requires_grad_();
  EXPECT_THROW(weight(x).square().sum().backward({}, std::nullopt, /*create_graph=*/true), std::logic_error);
}

TEST(Linear, MixesWithOrdinaryUsesOfTheWeight) {
  Weight weight(6, 8, at::kFloat);
  const at::Tensor x = random_normal({5, 8}, 2, at::kFloat);
  (weight(x).sum() + at::mm(x, weight.value.t()).sum()).backward();
  EXPECT_TRUE(
      close(weight.grad, x.to(at::kDouble).sum(0, true).expand({6, 8}) * 2, Tolerance::of(at::kFloat).reduction(10)));
}

TEST(Linear, WeightGradientTakesNoMemory) {
  for (const auto dtype : {at::kDouble, at::kFloat, at::kBFloat16}) {
    Weight weight(48, 32, dtype);
    const at::Tensor x = random_normal({64, 32}, 2, dtype), dy = random_normal({64, 48}, 3, dtype);
    weight(x).backward(dy);
    const at::Tensor y = weight(x);
    const Allocations allocations;
    y.backward(dy);
    // dx is not asked for: nothing is left but autograd's own bookkeeping, far below the 6 kB of a weight.
    // Where bf16 is multiplied as fp32, both factors are widened.
    const bool widened = dtype == at::kBFloat16 && !multiplies_bfloat16();
    EXPECT_LT(allocations.bytes(), 256 + (widened ? 4 * (x.numel() + dy.numel()) : 0)) << dtype;
  }
}

TEST(Linear, WritesAViewOfALargerBufferAndNothingElse) {
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    Weight weight(6, 8, dtype);
    const at::Tensor flat = at::zeros({32 + 6 * 8 + 32});
    weight.grad = flat.narrow(0, 32, 48).view({6, 8});
    weight.value.mutable_grad() = weight.grad;
    const at::Tensor x = random_normal({16, 8}, 2, dtype), dy = random_normal({16, 6}, 3, dtype);
    weight(x).backward(dy);
    EXPECT_TRUE(
        close(weight.grad, at::mm(dy.to(at::kDouble).t(), x.to(at::kDouble)), Tolerance::of(at::kFloat).reduction(16)));
    EXPECT_EQ(flat.narrow(0, 0, 32).count_nonzero().item<std::int64_t>(), 0);
    EXPECT_EQ(flat.narrow(0, 80, 32).count_nonzero().item<std::int64_t>(), 0);
  }
}

TEST(Linear, TakesAGradientBufferWiderThanItsSums) {
  Weight weight(6, 8, at::kFloat);
  const at::Tensor buffer = at::zeros({6, 8}, at::kDouble);
  const at::Tensor x = random_normal({5, 8}, 2, at::kFloat);
  ops::linear(x, weight.value, buffer).sum().backward();
  EXPECT_TRUE(close(buffer.to(at::kFloat), x.to(at::kDouble).sum(0, true).expand({6, 8}),
                    Tolerance::of(at::kFloat).reduction(5)));
}

}  // namespace
}  // namespace ingot::testing
