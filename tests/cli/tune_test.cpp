// `ingot tune` as a user runs it.

#include <gtest/gtest.h>

#include "base/files.h"
#include "cli/program.h"

namespace ingot {
namespace {

using namespace testing;

class Tune : public Program {
 protected:
  ProcessResult tune_lr(std::vector<std::string> more = {}) const {
    std::vector<std::string> command = {"tune", "lr", tiny(), "model.layers=AF", "--trials", "2", "--range-steps", "8"};
    command.insert(command.end(), more.begin(), more.end());
    return ingot(command);
  }
};

TEST_F(Tune, FinishedTrialsAreNotTrainedAgain) {
  const auto first = tune_lr();
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_NE(first.out.find("best"), std::string::npos) << first.out;
  const auto study = folder / "runs/tune_tiny";
  EXPECT_NE(read_file(study / "curve.svg").find("</svg>"), std::string::npos);
  const auto word = read_file(study / "override.txt");
  EXPECT_EQ(word.find("optim.optimizer.lr="), 0U) << word;
  EXPECT_NE(first.out.find(word.substr(0, word.size() - 1)), std::string::npos) << first.out;

  // As after a kill in the middle of a trial: it alone is trained, to the same result.
  std::vector<fs::path> trials;
  for (const auto& trial : fs::directory_iterator(study / "runs")) trials.push_back(trial.path());
  ASSERT_EQ(trials.size(), 3U);  // the range test and two rates
  fs::remove_all(trials[0]);
  const auto untouched = fs::last_write_time(trials[1] / "metrics.jsonl");
  const auto second = tune_lr();
  ASSERT_EQ(second.exit_code, 0) << second.err;
  EXPECT_EQ(second.out.substr(0, second.out.find("trained")), first.out.substr(0, first.out.find("trained")));
  EXPECT_TRUE(fs::exists(trials[0] / "metrics.jsonl"));
  EXPECT_EQ(fs::last_write_time(trials[1] / "metrics.jsonl"), untouched);

  const auto other = tune_lr({"model.d_model=16"});
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_NE(other.err.find("another config"), std::string::npos) << other.err;
}

TEST_F(Tune, MistakesAreSaidBeforeAnythingIsTrained) {
  const auto key = tune_lr({"--key", "optim.optimizer.rate"});
  EXPECT_EQ(key.exit_code, 2);
  EXPECT_NE(key.err.find("optim.optimizer.lr"), std::string::npos) << key.err;
  const auto held_out = tune_lr({"~data.validation"});
  EXPECT_EQ(held_out.exit_code, 2);
  EXPECT_NE(held_out.err.find("data.validation"), std::string::npos) << held_out.err;
  EXPECT_FALSE(fs::exists(folder / "runs"));
}

TEST_F(Tune, AFailedTrialEndsWithItsReason) {
  const auto result = tune_lr({"data.train.paths=absent.txt"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_NE(result.err.find("absent.txt"), std::string::npos) << result.err;
}

TEST_F(Tune, ScalingComparesWidths) {
  const auto result =
      ingot({"tune", "scaling", tiny(), "--widths", "16,32", "model.layers=AF",
             "model.operators.A.mixer={num_heads: {width/8}, num_kv_heads: {width/8}}", "--svg", "widths.svg"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  for (const char* place : {"embedding", "branch of A", "branch of F", "stream", "final norm", "logits"}) {
    EXPECT_NE(result.out.find(place), std::string::npos) << result.out;
  }
  EXPECT_NE(read_file(folder / "widths.svg").find("</svg>"), std::string::npos);
  const auto odd =
      ingot({"tune", "scaling", tiny(), "--widths", "16,32", "model.operators.A.mixer.num_heads={width/5}"});
  EXPECT_EQ(odd.exit_code, 2);
  EXPECT_NE(odd.err.find("no multiple of 5"), std::string::npos) << odd.err;
}

}  // namespace
}  // namespace ingot
