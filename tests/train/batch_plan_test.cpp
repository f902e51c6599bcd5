#include "train/batch_plan.h"

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "train/families.h"
#include "train/plan.h"
#include "train/samples.h"
#include "train/setup.h"
#include "train/step.h"

namespace ingot {
namespace {

using namespace testing;

constexpr const char* kGrowing =
    "train.batch_warmup=[{batch: 1 sequences, until: 3 steps}, {batch: 2 sequences, until: 320 tokens}]";

class Growth : public ::testing::Test {
 protected:
  TrainSetup setup(std::vector<std::string> overrides) {
    overrides.push_back("train.global_batch=4 sequences");
    return allocated_setup(tiny_config(families, overrides), families, 257);
  }
  Families families = make_families();
};

TEST_F(Growth, EveryUpdateHasTheRowsOfItsStage) {
  const auto plan = setup({kGrowing, "train.duration=12 steps"}).batches;
  const std::vector<std::int64_t> expected = {1, 1, 1, 2, 2, 2, 2, 4, 4, 4};  // 3 rows, then 2 at a time to 10
  std::int64_t before = 0;
  for (std::int64_t t = 0; t < 10; ++t) {
    EXPECT_EQ(plan.rows(t), expected[static_cast<std::size_t>(t)]) << t;
    EXPECT_EQ(plan.rows_before(t), before) << t;
    EXPECT_EQ(plan.update_after(before), t);
    EXPECT_EQ(plan.update_after(before + 1), t + 1);
    before += plan.rows(t);
  }
}

TEST_F(Growth, AStageThatIsOverBeforeItBeginsHasNoUpdate) {
  const auto plan = setup({"train.batch_warmup=[{batch: 1 sequences, until: 3 steps}, {batch: 2 sequences, until: 32 "
                           "tokens}]"})
                        .batches;
  EXPECT_EQ(plan.rows(2), 1);
  EXPECT_EQ(plan.rows(3), 4);
}

TEST_F(Growth, ALengthInTokensIsThatOfTheTokensAndSchedulesCountThem) {
  const auto grown =
      setup({kGrowing, "train.duration=1280 tokens", "optim.schedule={type: linear, warmup: 640 tokens}"});
  EXPECT_EQ(grown.total_steps, 15);  // 11 rows in 7 updates, 32 in 8
  EXPECT_EQ(grown.total_tokens(), (11 + 32) * 32);
  EXPECT_EQ(grown.schedule.total_steps, 11);  // 43 rows in full batches
  EXPECT_EQ(grown.schedule.total_updates(), 15);
  // The warm-up is 5 full batches; update 9 begins after 11 + 4 rows.
  EXPECT_DOUBLE_EQ(grown.optimizer->lr(9), 0.01 * (15.0 / 4 + 1) / 5);
  EXPECT_DOUBLE_EQ(grown.optimizer->lr(1), 0.01 / 5);
  EXPECT_NEAR(grown.optimizer->lr(15), 0.01 * (1 - (39.0 / 4 - 5) / 6), 1e-16);
}

TEST_F(Growth, WithoutStagesTimeIsTheNumberOfTheUpdate) {
  const auto plain = setup({"train.duration=1280 tokens"});
  EXPECT_FALSE(plain.batches.grows());
  EXPECT_EQ(plain.total_steps, 10);
  EXPECT_EQ(plain.schedule.time_of(7), 7);
  EXPECT_EQ(plain.schedule.total_updates(), 10);
}

TEST_F(Growth, ARunThatGoesOnInAScheduleIsWhereItWasInTheGrowthToo) {
  const auto later = setup({kGrowing, "train.duration=4 steps", "train.start_from={path: x, schedule: 5}"});
  EXPECT_EQ(later.rows_of_step(0), 2);
  EXPECT_EQ(later.rows_of_step(2), 4);
}

TEST_F(Growth, ThePlanShowsIt) {
  const auto table =
      course_table(setup({kGrowing, "train.duration=12 steps", "train.context_warmup=[{length: 16, until: 5 steps}]"}));
  const auto cell = [&](const std::string& key) {
    const auto row = std::find_if(table.rows.begin(), table.rows.end(), [&](const auto& r) { return r.key == key; });
    return row == table.rows.end() ? "" : row->cells[0];
  };
  EXPECT_EQ(cell("from update 1"), "1 sequences in pieces of 16");
  EXPECT_EQ(cell("from update 6"), "2 sequences in pieces of 32");
  EXPECT_EQ(cell("from update 8"), "4 sequences in pieces of 32");
}

TEST_F(Growth, RefusesWhatCannotBe) {
  const auto message = [&](const std::string& override) {
    try {
      tiny_config(families, {override});
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const auto too_large = message("train.batch_warmup=[{batch: 8 sequences, until: 1 steps}]");
  EXPECT_NE(too_large.find("train.batch_warmup.0.batch: more than train.global_batch"), std::string::npos) << too_large;
  const auto odd = message("train.context_warmup=[{length: 12, until: 1 steps}]");
  EXPECT_NE(odd.find("train.context_warmup.0.length: expected a divisor of data.seq_len, 32"), std::string::npos)
      << odd;
  EXPECT_NE(message("train.batch_warmup=[{batch: 2 sequences, until: 10%}]").find("until"), std::string::npos);
  EXPECT_NE(message("train.batch_warmup=[{batch: 10 tokens, until: 1 steps}]").find("batch"), std::string::npos);
}

TEST(CutRows, KeepsTokensTargetsAndBoundariesOfDocuments) {
  const auto whole = random_batch(3, 12, 50, 4);
  const auto cut = cut_rows(whole, 4);
  EXPECT_EQ(cut.rows, 9);
  EXPECT_EQ(cut.seq_len, 4);
  EXPECT_EQ(cut.tokens, whole.tokens);
  EXPECT_EQ(cut.targets, whole.targets);
  EXPECT_EQ(cut.target_count, whole.target_count);
  for (std::size_t i = 0; i < cut.documents.size(); ++i) {
    if (i % 4 == 0) {
      EXPECT_EQ(cut.documents[i], 0);
    } else {
      EXPECT_EQ(cut.documents[i] - cut.documents[i - 1], whole.documents[i] - whole.documents[i - 1]);
    }
  }
  auto samples = cut.samples;
  std::sort(samples.begin(), samples.end());
  EXPECT_EQ(std::unique(samples.begin(), samples.end()), samples.end());
}

/// A piece is a row: what a model makes of it does not depend on the pieces beside it.
TEST(CutRows, PiecesAreRowsOfTheirOwn) {
  const auto families = make_families();
  auto setup = allocated_setup(tiny_config(families), families, 257);
  const auto whole = random_batch(2, 32, 257, 5);
  TrainStep step(setup);
  step.accumulate(cut_rows(whole, 8));
  const auto together = step.finish(1, [](double, double) { return false; });
  auto pieces = cut_rows(whole, 8);
  for (std::int64_t row = 0; row < pieces.rows; ++row) {
    Batch one;
    one.rows = 1;
    one.seq_len = 8;
    const auto take = [&](const auto& from, auto& to) {
      to.assign(from.begin() + row * 8, from.begin() + row * 8 + 8);
    };
    take(pieces.tokens, one.tokens);
    take(pieces.targets, one.targets);
    take(pieces.documents, one.documents);
    one.samples = {pieces.samples[static_cast<std::size_t>(row)]};
    one.target_count = std::count_if(one.targets.begin(), one.targets.end(), [](auto id) { return id >= 0; });
    step.accumulate(one);
  }
  const auto apart = step.finish(1, [](double, double) { return false; });
  EXPECT_EQ(apart.targets, together.targets);
  EXPECT_NEAR(apart.loss, together.loss, 1e-10);
  EXPECT_NEAR(apart.grad_norm, together.grad_norm, 1e-10);
}

}  // namespace
}  // namespace ingot
