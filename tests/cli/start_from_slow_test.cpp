// Going on after the end: a longer run, and new runs that begin with a checkpoint.

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "base/files.h"
#include "base/text.h"
#include "checkpoint/checkpoint.h"
#include "cli/program.h"
#include "run/metrics.h"

namespace ingot {
namespace {

using namespace testing;

constexpr const char* kCosine = "optim.schedule={type: cosine, warmup: 2 steps}";

class StartFrom : public Program {
 protected:
  ProcessResult train(const std::string& name, int steps, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> line{"train", tiny(), "run.name=" + name, cat("train.duration=", steps, " steps")};
    line.insert(line.end(), more.begin(), more.end());
    return ingot(line);
  }
  fs::path run_dir(const std::string& name) const { return folder / ("runs/" + name); }
  std::string weights(const std::string& name, int step) const {
    return read_file(checkpoint_path(run_dir(name), step) / "model-00001.safetensors") +
           read_file(checkpoint_path(run_dir(name), step) / "optimizer-00001.safetensors");
  }
  std::vector<double> rates(const std::string& name) const {
    std::vector<double> out;
    for (const auto& line : read_metrics(run_dir(name) / "metrics.jsonl")) {
      if (line.at("kind") == "train") out.push_back(line.at("lr").get<double>() / 1e-2);
    }
    return out;
  }
  /// The samples of a step.
  std::set<int> samples(const std::string& name, int step) const {
    const auto result = ingot({"data", "show", "runs/" + name, "--step", std::to_string(step), "--json"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    std::set<int> out;
    for (const auto& row : nlohmann::json::parse(result.out)) out.insert(row.at("sample").get<int>());
    return out;
  }
  std::string field(const std::string& name, const std::string& path) const {
    const auto file = (run_dir(name) / "config.yaml").string();
    return std::string(trim(ingot({"config", "show", file, "--field", path}).out));
  }
};

TEST_F(StartFrom, AllTakesOptimizerAndPlaceInTheDataAndItsOwnSchedule) {
  ASSERT_EQ(train("a", 10, {kCosine}).exit_code, 0);
  const std::string from = "train.start_from={path: runs/a, load: all}";
  const auto begun = train("begun", 4, {kCosine, from});
  ASSERT_EQ(begun.exit_code, 0) << begun.err;
  EXPECT_TRUE(has(begun.err, "optimizer state of 10 updates; data from sample 40, schedule from update 0 of 4"));
  EXPECT_EQ(rates("begun"), (std::vector<double>{0.5, 1, 1, 0.5}));
  EXPECT_EQ(samples("begun", 1), (std::set<int>{40, 41, 42, 43}));
  EXPECT_EQ(field("begun", "train.start_from.data"), "40");

  // Resumed from its second step it counts as before, without the checkpoint that it began with.
  ASSERT_EQ(train("stopped", 4, {kCosine, from, "checkpoint.every=2 steps"}).exit_code, 0);
  fs::remove_all(run_dir("stopped") / "checkpoints/step-00000004");
  fs::rename(run_dir("a"), run_dir("moved"));
  ASSERT_EQ(train("stopped", 4, {kCosine, from}).exit_code, 0);
  EXPECT_EQ(weights("stopped", 4), weights("begun", 4));
  fs::rename(run_dir("moved"), run_dir("a"));

  const auto goes_on = train("goes_on", 5, {kCosine, from, "train.start_from.schedule=continue"});
  ASSERT_EQ(goes_on.exit_code, 0) << goes_on.err;
  EXPECT_TRUE(has(goes_on.err, "schedule from update 10 of 15"));
  EXPECT_NEAR(rates("goes_on").front(), (1 + std::cos(M_PI * 8 / 13)) / 2, 1e-12);
  EXPECT_EQ(field("goes_on", "train.start_from.schedule"), "10");

  // Rows of another order do not go on.
  const auto other_seed = train("other_seed", 1, {kCosine, from, "run.seed=2"});
  ASSERT_EQ(other_seed.exit_code, 0) << other_seed.err;
  EXPECT_TRUE(has(other_seed.err, "data from sample 0 (the checkpoint was trained with run.seed 1 instead of 2)"));
  EXPECT_EQ(train("refused", 1, {kCosine, from, "run.seed=2", "train.start_from.data=continue"}).exit_code, 2);

  const auto weights_alone = train("weights", 2, {kCosine, "train.start_from.path=runs/a"});
  ASSERT_EQ(weights_alone.exit_code, 0) << weights_alone.err;
  EXPECT_EQ(samples("weights", 1), (std::set<int>{0, 1, 2, 3}));
}

TEST_F(StartFrom, ConstraintsKeepTheirStateOrBeginAnew) {
  const std::string constraint = "weights.constraints=[{type: initial_norm, start: 2 steps}]";
  ASSERT_EQ(train("whole", 6, {constraint}).exit_code, 0);
  ASSERT_EQ(train("stopped", 6, {constraint, "checkpoint.every=4 steps"}).exit_code, 0);
  fs::remove_all(run_dir("stopped") / "checkpoints/step-00000006");
  ASSERT_EQ(train("stopped", 6, {constraint}).exit_code, 0);
  EXPECT_EQ(weights("stopped", 6), weights("whole", 6));
  // Another run without the constraint passes over its state; one that has it begins with the norms that it finds.
  const std::string from = "train.start_from={path: runs/whole, load: all}";
  const auto freed = train("freed", 1, {from});
  ASSERT_EQ(freed.exit_code, 0) << freed.err;
  const auto bound =
      train("bound", 1, {"weights.constraints=[initial_norm]", "train.start_from={path: runs/freed, load: all}"});
  ASSERT_EQ(bound.exit_code, 0) << bound.err;
  EXPECT_TRUE(has(bound.err, "states of constraints that"));
  // A length on which the past depends is refused.
  const std::string late = "weights.constraints=[{type: unit_norm, start: 50%}]";
  ASSERT_EQ(train("late", 4, {late}).exit_code, 0);
  const auto longer = train("late", 8, {late});
  EXPECT_EQ(longer.exit_code, 2);
  EXPECT_TRUE(has(longer.err, "weights.constraints.0 would have come into force at update 4 instead of 2"))
      << longer.err;
}

TEST_F(StartFrom, RulesForUpdatesGoOnFromTheirStates) {
  const std::string rules =
      "weights.constraints=[{type: hyperball, match: {part: q}}, {type: rpgd, match: {part: up}}, {type: radial_brake, "
      "start: 2 steps, match: {role: writes_stream}}]";
  ASSERT_EQ(train("whole", 6, {rules}).exit_code, 0);
  ASSERT_EQ(train("stopped", 6, {rules, "checkpoint.every=4 steps"}).exit_code, 0);
  fs::remove_all(run_dir("stopped") / "checkpoints/step-00000006");
  ASSERT_EQ(train("stopped", 6, {rules}).exit_code, 0);
  EXPECT_EQ(weights("stopped", 6), weights("whole", 6));
}

TEST_F(StartFrom, ALongerRunIsTheOneItWouldHaveBeen) {
  ASSERT_EQ(train("whole", 8).exit_code, 0);
  ASSERT_EQ(train("a", 5).exit_code, 0);
  EXPECT_TRUE(has(train("a", 5).err, "is finished (5 steps); with a longer train.duration it goes on"));
  const auto longer = train("a", 8);
  ASSERT_EQ(longer.exit_code, 0) << longer.err;
  EXPECT_TRUE(has(longer.err, "train.duration: was 5 steps, now 8 steps", "resumed from"));
  EXPECT_EQ(weights("a", 8), weights("whole", 8));
  const auto shorter = train("a", 6);
  EXPECT_EQ(shorter.exit_code, 2);
  EXPECT_TRUE(has(shorter.err, "which is 6 steps, but the run has taken 8")) << shorter.err;
  const auto other = train("a", 9, {"optim.optimizer.lr=1e-3"});
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_TRUE(has(other.err, "optim.optimizer.lr: was 0.01, now 0.001", "train.start_from={path: ")) << other.err;
}

TEST_F(StartFrom, ALengthThatWouldHaveChangedWhatWasDoneIsRefused) {
  const std::string wsd = "optim.schedule={type: wsd, decay: 3 steps, shape: linear}";
  ASSERT_EQ(train("whole", 12, {wsd}).exit_code, 0);
  ASSERT_EQ(train("a", 8, {wsd, "checkpoint.every=5 steps", "checkpoint.keep_last=5"}).exit_code, 0);
  const auto decayed = train("a", 12, {wsd});
  EXPECT_EQ(decayed.exit_code, 2);
  EXPECT_TRUE(has(decayed.err, "optim.schedule would have given other learning rates", "1.0 instead of 0.66",
                  "of the peak at update 7", "load: all"))
      << decayed.err;
  // Before its decay it may branch off.
  const auto from = checkpoint_path(run_dir("a"), 5).string();
  const auto branch = train("a", 12, {wsd, "--resume", from});
  ASSERT_EQ(branch.exit_code, 0) << branch.err;
  EXPECT_EQ(weights("a", 12), weights("whole", 12));
}

TEST_F(StartFrom, ADeeperModelGrowsFromAShallowerOne) {
  ASSERT_EQ(train("a", 3, {"model.layers=DFMF"}).exit_code, 0);
  const std::vector<std::string> grow = {"model.layers=DFMF DFMF",
                                         "train.start_from={path: runs/a, load: all, expand: {rule: stack}}"};
  const auto grown = train("grown", 3, grow);
  ASSERT_EQ(grown.exit_code, 0) << grown.err;
  EXPECT_TRUE(has(grown.err, "8 sub-layers by stack: 0, 1, 2, 3, 0', 1', 2', 3'", "optimizer state of 3 updates"))
      << grown.err;
  EXPECT_TRUE(has(ingot({"plan", "runs/grown/config.yaml", "--no-measure"}).out, "grows to  8 sub-layers by stack"));

  // It goes on as any run does, without what it grew from.
  auto stopped = grow;
  stopped.push_back("checkpoint.every=2 steps");
  ASSERT_EQ(train("stopped", 3, stopped).exit_code, 0);
  fs::remove_all(run_dir("stopped") / "checkpoints/step-00000003");
  fs::rename(run_dir("a"), run_dir("moved"));
  ASSERT_EQ(train("stopped", 3, grow).exit_code, 0);
  EXPECT_EQ(weights("stopped", 3), weights("grown", 3));
  EXPECT_TRUE(has(ingot({"plan", "runs/grown/config.yaml", "--no-measure"}).out, "grows to  unknown: there is no run"));

  const auto wider = train(
      "wider", 3,
      {"model.layers=DFMF DFMF", "model.d_model=64", "train.start_from={path: runs/moved, expand: {rule: stack}}"});
  EXPECT_EQ(wider.exit_code, 2);
  EXPECT_TRUE(has(wider.err, "train.start_from.expand: ", "'embedding.weight' is 257x32 there, 257x64 here"))
      << wider.err;
}

}  // namespace
}  // namespace ingot
