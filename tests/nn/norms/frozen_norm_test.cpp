#include <ATen/ops/cat.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "nn/norms/running_fixture.h"

namespace ingot::testing {
namespace {

const char* const kMerged = "{type: frozen_norm, freeze: {at: 2}, merge: {at: 4}}";

/// As sub-layer `depth` of twelve.
RunningFixture at_depth(const std::string& yaml, int depth) {
  RunningFixture f("none");
  const auto variant = configured<NormEntry>(yaml);
  f.harness = std::make_unique<Harness>(at::kDouble, [&](const ParamScope& scope) {
    f.norm = variant.entry().make(variant.settings(), {scope, kModel, 1, Site::kInput, depth, 12});
  });
  return f;
}

/// Updates after which every row is divided by the same number, of at most 12; x is other rows in every step.
int frozen_after(RunningFixture& f) {
  const at::Tensor x = normal_rows(99);
  for (int updates = 0; updates < 12; ++updates) {
    if (close(f(2 * x), 2 * f(x), row_tolerance())) return updates;
    f.train((updates + 1) * normal_rows(static_cast<std::uint64_t>(updates) + 1));
    f.apply();
  }
  return 12;
}

TEST(FrozenNorm, FollowsThePublishedProcedure) {
  expect_running_golden("{type: frozen_norm, freeze: {at: 2}, merge: {at: 4}, momentum: 0.7, penalty: 0.1, bias: true}",
                        "frozen_norm");
  expect_running_golden("{type: frozen_norm, of: rms_norm, freeze: {at: 3}, bias: true, eps: 1e-6}", "frozen_norm_rms");
}

TEST(FrozenNorm, KeepsTheContractOfBuffers) {
  expect_running_contract("frozen_norm");
  expect_running_contract("{type: frozen_norm, of: rms_norm, merge: {at: 3}, penalty: 1}");
}

TEST(FrozenNorm, NeverLeaks) {
  RunningFixture f(kMerged);
  for (int i = 0; i < 6; ++i) {
    EXPECT_FALSE(leaks_in_training(f)) << i;
    f.apply();
  }
}

TEST(FrozenNorm, MovesAlikeForAnySplit) {
  expect_split_invariance(kMerged, {"std", "first_std"});
  expect_split_invariance(kMerged, {"std", "first_std"}, 1);
}

TEST(FrozenNorm, IsTheNormThatItReplacesUntilItIsFrozen) {
  for (const std::string of : {"layer_norm", "rms_norm"}) {
    RunningFixture base("{type: " + of + ", eps: 1e-3, bias: true}");
    RunningFixture f("{type: frozen_norm, of: " + of + ", eps: 1e-3, bias: true, freeze: {at: 2}, merge: {at: 3}}");
    const at::Tensor x = normal_rows(), dy = normal_rows(2);
    for (int step = 0; step < 2; ++step) {
      for (RunningFixture* one : {&base, &f}) one->harness->zero_grads();
      EXPECT_TRUE(close(f.train(x), base.train(x), row_tolerance())) << of << step;
      EXPECT_TRUE(close(f(x), base(x), row_tolerance())) << of << step;
      EXPECT_TRUE(close(f.micro_batch(x, dy), base.micro_batch(x, dy), row_tolerance(8))) << of << step;
      EXPECT_TRUE(close(f.harness->grads(), base.harness->grads(), row_tolerance(8))) << of << step;
      f.apply();
    }
    EXPECT_GT((f.train(x) - base.train(x)).abs().max().item<double>(), 1e-2) << of;
  }
}

TEST(FrozenNorm, FreezesLaterTheDeeper) {
  const std::string yaml = "{type: frozen_norm, freeze: {at: 3, gap: 1.5}}";
  for (const auto& [depth, updates] : std::vector<std::pair<int, int>>{{0, 3}, {1, 4}, {2, 6}, {-1, 3}}) {
    auto f = at_depth(yaml, depth);
    EXPECT_EQ(frozen_after(f), updates) << depth;
  }
  const auto variant = configured<NormEntry>("{type: frozen_norm, freeze: {at: 3, gap: 1.5}, merge: {at: 9, gap: 2}}");
  EXPECT_EQ(variant.entry().text(variant.settings(), 2), "frozen after update 6, linear after 13");
  EXPECT_EQ(variant.entry().text(variant.settings(), -1), "frozen after update 3, linear after 9");
}

TEST(FrozenNorm, TheNumberStaysAsItWasWhenFrozen) {
  RunningFixture f("{type: frozen_norm, freeze: {at: 2}}");
  std::vector<double> values;
  for (int i = 1; i < 5; ++i) {
    f.train(i * normal_rows());
    f.apply();
    values.push_back(f.buffers().at("std").item<double>());
  }
  EXPECT_NEAR(values[1] / values[0], 0.9 + 0.1 * 2, 1e-4) << "eps counts little";
  EXPECT_EQ(values[2], values[1]);
  EXPECT_EQ(values[3], values[1]);
}

/// Documents of two and one tokens in a row, behind a prefix of four.
TEST(FrozenNorm, FirstTokensHaveANumberOfTheirOwnUntilMerged) {
  RunningFixture f("{type: frozen_norm, freeze: {at: 2}, merge: {at: 4}, eps: 1e-30}");
  const at::Tensor x = normal_rows(), scale = at::ones({2, 3, 1}, at::kDouble);
  for (const auto t : {0, 2}) scale.select(1, t).fill_(50);
  auto context = document_context(documents_of({{2, 1}, {2, 1}}), 4);
  context.pass.training = context.is_batch = true;
  const auto train = [&](const at::Tensor& rows) {
    context.pass.point.updates = f.updates;
    return f.norm->forward(rows, {{}, &context, {}});
  };
  for (int i = 0; i < 2; ++i) train(x * scale), f.apply();
  const at::Tensor centred = x - x.mean(-1, true), own = (centred.square().mean(-1, true)).sqrt();
  const double others = own.select(1, 1).mean().item<double>();
  const double first = 50 * at::cat({own.select(1, 0), own.select(1, 2)}).mean().item<double>();
  EXPECT_NEAR(f.buffers().at("std").item<double>(), others, 1e-12);
  EXPECT_NEAR(f.buffers().at("first_std").item<double>(), first, 1e-10);
  const at::Tensor gain = f.harness->params().at("gain");
  const auto expect = [&](double first_divisor) {
    const at::Tensor y = train(x);
    const auto other_rows = centred.select(1, 1), first_rows = centred.select(1, 2);
    EXPECT_TRUE(close(y.select(1, 1), gain * other_rows / others, row_tolerance(8)));
    EXPECT_TRUE(close(y.select(1, 2), gain * first_rows / first_divisor, row_tolerance(8)));
  };
  expect(first);
  f.apply(), f.apply();
  expect(others);
}

TEST(FrozenNorm, SaysWhenItIsLinear) {
  const auto variant = configured<NormEntry>(kMerged);
  const auto at = [&](std::int64_t updates) {
    return variant.entry().linear_form(variant.settings(), 0, updates, {{"std", at::full({1}, 2.5)}});
  };
  EXPECT_NE(at(1).reason.find("earlier freeze"), std::string::npos) << at(1).reason;
  EXPECT_NE(at(3).reason.find("earlier merge"), std::string::npos) << at(3).reason;
  EXPECT_EQ(at(4).reason, "");
  EXPECT_EQ(at(4).divisor, 2.5);
  EXPECT_TRUE(at(4).centres);
}

TEST(FrozenNorm, IsRefusedInsideOperators) {
  const auto variant = configured<NormEntry>("frozen_norm");
  EXPECT_THROW(Harness(at::kDouble,
                       [&](const ParamScope& scope) {
                         variant.entry().make(variant.settings(), {scope, kModel, 2, Site::kQ, 0, 1});
                       }),
               ConfigError);
  EXPECT_THROW(configured<NormEntry>("{type: frozen_norm, freeze: {at: 0}}"), ConfigError);
}

}  // namespace
}  // namespace ingot::testing
