// Time is charged to what ran, where it ran.

#include "bench/op_profile.h"

#include <ATen/TensorOperators.h>
#include <ATen/record_function.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <chrono>
#include <thread>

#include "device/numerics.h"

namespace ingot {
namespace {

void wait_ms(int milliseconds) { std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds)); }

/// y = x, taking its time after it made its output, as kernels do.
struct SlowCopyFunction : torch::autograd::Function<SlowCopyFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* /*ctx*/, const at::Tensor& x) {
    const at::Tensor y = x.clone();
    wait_ms(20);
    return y;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* /*ctx*/,
                                                 torch::autograd::variable_list grads) {
    wait_ms(40);
    return {grads[0].clone()};
  }
};

/// y = sin x, computed again in backward instead of kept.
struct AgainFunction : torch::autograd::Function<AgainFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x) {
    ctx->save_for_backward({x});
    const at::Tensor y = x.sin();
    wait_ms(20);
    return y;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const at::AutoGradMode with_gradients(true);
    const at::Tensor x = ctx->get_saved_variables()[0].detach().requires_grad_();
    const at::Tensor y = SlowCopyFunction::apply(x.sin() + x * 0);
    torch::autograd::backward({y}, {grads[0]});
    return {x.grad()};
  }
};

double seconds_of(const OpProfiler& profiler, const std::string& place, const std::string& name, bool backward) {
  double sum = 0;
  for (const auto& row : profiler.operations()) {
    if (row.place == place && row.name == name && row.backward == backward) sum += row.seconds;
  }
  return sum;
}

TEST(OpProfile, NamesAreReadable) {
  EXPECT_EQ(operation_name("torch::autograd::CppNode<ingot::ops::(anonymous namespace)::LinearFunction>"), "linear");
  EXPECT_EQ(operation_name("torch::autograd::CppNode<ingot::ops::LinearCrossEntropyFunction>"), "linear_cross_entropy");
  EXPECT_EQ(operation_name("MulBackward0"), "mul");
  EXPECT_EQ(operation_name("SplitWithSizesBackward0"), "split_with_sizes");
  EXPECT_EQ(operation_name("torch::autograd::AccumulateGrad"), "accumulate_grad");
  EXPECT_EQ(operation_name("aten::add_"), "add");
  EXPECT_EQ(operation_name("aten::_softmax"), "_softmax");
}

TEST(OpProfile, ChargesFunctionsForwardAndBackwardInTheirPlace) {
  OpProfiler profiler;
  at::Tensor x = random_normal({8, 8}, 1).requires_grad_();
  for (int i = 0; i < 2; ++i) {
    profiler.begin_micro_batch();
    at::Tensor y = x * 2;
    {
      RECORD_USER_SCOPE("D");
      y = SlowCopyFunction::apply(y);
    }
    {
      RECORD_USER_SCOPE("F");
      y = SlowCopyFunction::apply(y.sin());
      y = SlowCopyFunction::apply(y) + y;  // two gradients of y, which backward adds up
    }
    y.sum().backward();
    profiler.end();
  }
  profiler.begin_update();
  x.detach().add_(1);
  wait_ms(30);
  profiler.end();
  x * 3;  // nobody listens

  const auto near = [&](const std::string& place, bool backward, double expected) {
    const double seconds = seconds_of(profiler, place, "slow_copy", backward);
    EXPECT_GE(seconds, expected) << place;
    EXPECT_LT(seconds, expected + 0.5 * profiler.seconds()) << place;
  };
  near("D", false, 0.040);
  near("D", true, 0.080);
  near("F", false, 0.080);
  near("F", true, 0.160);
  EXPECT_GE(seconds_of(profiler, "update", "update", false), 0.030);
  EXPECT_GT(seconds_of(profiler, "embedding", "mul", false), 0);
  EXPECT_GT(seconds_of(profiler, "embedding", "mul", true), 0);
  EXPECT_GT(seconds_of(profiler, "F", "sin", true), 0);
  EXPECT_GT(seconds_of(profiler, "head", "sum", false), 0);
  double sum = 0;
  std::int64_t calls = 0;
  for (const auto& row : profiler.operations()) {
    sum += row.seconds;
    if (row.place == "F" && row.name == "slow_copy") calls += row.calls;
  }
  EXPECT_NEAR(sum, profiler.seconds(), 1e-12);
  EXPECT_EQ(calls, 8) << "two functions, two micro-batches, forward and backward";
}

TEST(OpProfile, NamesWhatBackwardComputesAgain) {
  OpProfiler profiler;
  const at::Tensor x = random_normal({8, 8}, 1).requires_grad_();
  profiler.begin_micro_batch();
  at::Tensor y;
  {
    RECORD_USER_SCOPE("D");
    y = AgainFunction::apply(x);
  }
  y.sum().backward();
  profiler.end();
  EXPECT_GE(seconds_of(profiler, "D", "again", false), 0.020);
  EXPECT_GE(seconds_of(profiler, "D", "slow_copy", true), 0.060) << "20 ms forward, 40 ms backward, both in backward";
  EXPECT_EQ(seconds_of(profiler, "D", "slow_copy", false), 0);
  EXPECT_GT(seconds_of(profiler, "D", "sin", true), 0);
  EXPECT_LT(seconds_of(profiler, "D", "again", true), 0.020);
}

}  // namespace
}  // namespace ingot
