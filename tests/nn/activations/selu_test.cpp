#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/where.h>
#include <gtest/gtest.h>

#include <cmath>

#include "nn/golden.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

constexpr double kReplacement = -1.0507009873554805 * 1.6732632423543772;

Pass training_pass(std::int64_t first, std::int64_t rows) {
  return {{3, 10, 1}, true, at::arange(first, first + rows, at::kLong)};
}

std::unique_ptr<Activation> selu(const std::string& settings = "") {
  const auto variant = configured<ActivationEntry>("{type: selu" + settings + "}");
  return variant.entry().make(variant.settings());
}

TEST(Selu, MatchesGolden) { expect_activation("selu", "selu"); }

/// Both of its values are affine in what they stand for, with the constants that PyTorch uses.
TEST(Selu, AlphaDropoutHasPyTorchsConstants) {
  const Golden golden("activations");
  const at::Tensor x = golden.at("alpha_dropout/x"), y = golden.at("alpha_dropout/y");
  const at::Tensor input = random_normal({1, 4, 50}, 1), plain = selu()->forward(input);
  const at::Tensor dropped = selu(", dropout: 0.25")->forward_in(training_pass(0, 1), "a", input);
  const double replaced = (kReplacement * std::pow((1 - .25) * (1 + .25 * kReplacement * kReplacement), -.5)) * .75;
  // Where x + 1 is small no kept value is the replacement's.
  const at::Tensor is_replaced = (y - replaced).abs().lt(1e-12);
  ASSERT_GT(is_replaced.sum().item<std::int64_t>(), 4);
  ASSERT_LT(is_replaced.sum().item<std::int64_t>(), 32);
  const at::Tensor kept_x = x.masked_select(is_replaced.logical_not()),
                   kept_y = y.masked_select(is_replaced.logical_not());
  const auto last = kept_x.size(0) - 1;
  const double slope = ((kept_y[last] - kept_y[0]) / (kept_x[last] - kept_x[0])).item<double>();
  const at::Tensor kept = slope * plain + (kept_y[0] - slope * kept_x[0]);
  const at::Tensor ours_replaced = (dropped - replaced).abs().lt(1e-12);
  const at::Tensor expected = at::where(ours_replaced, at::full_like(kept, replaced), kept);
  EXPECT_TRUE(close(dropped, expected, Tolerance::of(at::kDouble).chain(8)));
  EXPECT_NEAR(ours_replaced.to(at::kDouble).mean().item<double>(), 0.25, 5 * std::sqrt(.25 * .75 / 200));
}

TEST(Selu, AlphaDropoutKeepsMeanAndVariance) {
  const at::Tensor x = random_normal({8, 100, 50}, 1);
  for (const double rate : {0.0, 0.1, 0.5}) {
    const at::Tensor y = selu(", dropout: " + std::to_string(rate))->forward_in(training_pass(0, 8), "a", x);
    EXPECT_NEAR(y.mean().item<double>(), 0, 0.03);
    EXPECT_NEAR(y.var().item<double>(), 1, 0.05);
  }
}

TEST(Selu, DropsInTrainingAloneAndBySample) {
  const auto activation = selu(", dropout: 0.5");
  const at::Tensor x = random_normal({6, 4, 10}, 1);
  EXPECT_TRUE(same_bits(activation->forward_in({}, "a", x), activation->forward(x)));
  const at::Tensor whole = activation->forward_in(training_pass(5, 6), "a", x);
  const at::Tensor parts = at::cat({activation->forward_in(training_pass(5, 2), "a", x.narrow(0, 0, 2)),
                                    activation->forward_in(training_pass(7, 4), "a", x.narrow(0, 2, 4))});
  EXPECT_TRUE(same_bits(parts, whole));
  EXPECT_FALSE(whole.equal(activation->forward_in(training_pass(5, 6), "b", x)));
}

/// Within mlp: what is computed again in the backward pass drops the same.
TEST(Selu, RecomputingDropsTheSame) {
  const auto variant = configured<FfnEntry>("{type: mlp, width: 48, activation: {type: selu, dropout: 0.3}}");
  const auto run = [&](Recompute recompute, bool training) {
    const Built<Ffn> ffn = build_ffn("mlp", variant.settings(), at::kFloat, recompute);
    const at::Tensor x = random_normal({2, 5, kModel}, 11).to(at::kFloat).requires_grad_(true);
    at::Tensor y;
    {
      SequenceContext context = plain_context(2, 5);
      if (training) context.pass = training_pass(0, 2);
      y = ffn.module->forward(x, context);
    }  // the backward pass comes when the context is gone
    (y * random_normal({2, 5, kModel}, 12).to(at::kFloat)).sum().backward();
    return std::vector<at::Tensor>{y.detach(), x.grad(), ffn.harness->grads()};
  };
  const auto kept = run(Recompute::kNone, true), again = run(Recompute::kSelective, true);
  for (std::size_t i = 0; i < kept.size(); ++i) EXPECT_TRUE(same_bits(kept[i], again[i])) << i;
  EXPECT_FALSE(kept[0].equal(run(Recompute::kNone, false)[0]));
}

}  // namespace
}  // namespace ingot::testing
