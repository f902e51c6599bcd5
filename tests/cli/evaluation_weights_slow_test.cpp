// Runs that evaluate other weights than they train.

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"
#include "cli/program.h"
#include "run/metrics.h"

namespace ingot {
namespace {

using namespace testing;

constexpr std::int64_t kSteps = 24;

struct Case {
  std::string name;
  std::vector<std::string> overrides;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> kCases = {
      {"ema", {"optim.average={type: ema, decay: 0.8, blend: 0.6}", "weights.constraints=[unit_norm]"}},
      {"tail", {"optim.average={type: tail, start: 50%, every: 2}", "train.precision=bf16"}},
      {"schedule_free",
       {"optim.optimizer={type: schedule_free_adamw, lr: 1e-2, betas: [0.9, 0.99]}",
        "optim.schedule={type: constant, warmup: 5 steps}", "weights.parametrization=spectral_norm"}},
      {"look_ahead",
       {"optim.modifiers=[{type: look_ahead, decay: 0.9}]", "optim.schedule={type: linear, final_ratio: 0.5}"}}};
  return kCases;
}

class EvaluatedWeights : public Program, public ::testing::WithParamInterface<Case> {
 protected:
  ProcessResult train(const std::string& name, const std::string& evaluate_every) const {
    std::vector<std::string> arguments{"train",
                                       tiny(),
                                       "run.name=" + name,
                                       "train.duration=" + std::to_string(kSteps) + " steps",
                                       "checkpoint.every=7 steps",
                                       "evaluation.every=" + evaluate_every};
    arguments.insert(arguments.end(), GetParam().overrides.begin(), GetParam().overrides.end());
    return ingot(arguments);
  }
  fs::path run_dir(const std::string& name) const { return folder / ("runs/" + name); }
  fs::path last(const std::string& name) const { return checkpoint_path(run_dir(name), kSteps); }
  std::string files(const std::string& name) const {
    return read_file(last(name) / "model-00001.safetensors") + read_file(last(name) / "optimizer-00001.safetensors");
  }
  std::vector<double> held_out(const std::string& name) const {
    std::vector<double> out;
    for (const auto& line : read_metrics(run_dir(name) / "metrics.jsonl")) {
      if (line.at("kind") == "eval") out.push_back(line.at("loss").get<double>());
    }
    return out;
  }
  double score(std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments{"eval", "runs/whole", "--held-out", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto result = ingot(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return nlohmann::json::parse(result.out).at("loss").get<double>();
  }
};

TEST_P(EvaluatedWeights, AreKeptBesideTheTrainedOnesAndNeverMixWithThem) {
  ASSERT_EQ(train("whole", "5 steps").exit_code, 0);
  const auto bits = files("whole");
  const auto evaluated = held_out("whole");

  // The checkpoint is scored as the run scored itself, and the trained weights otherwise.
  const double loss = score();
  EXPECT_NEAR(loss, evaluated.back(), 1e-6);
  EXPECT_GT(std::abs(score({"--trained"}) - loss), 1e-5);

  // Evaluations leave no trace.
  ASSERT_EQ(train("rarely", "1000 steps").exit_code, 0);
  EXPECT_EQ(files("rarely"), bits);

  // A run that goes on is the undisturbed one.
  const auto file = last("whole") / "model-00001.safetensors";
  write_file_atomic(file, read_file(file) + "x");
  const auto resumed = train("whole", "5 steps");
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_NE(resumed.err.find("at step 21"), std::string::npos) << resumed.err;
  EXPECT_EQ(files("whole"), bits);
  EXPECT_EQ(held_out("whole"), evaluated);
}

INSTANTIATE_TEST_SUITE_P(Each, EvaluatedWeights, ::testing::ValuesIn(cases()),
                         [](const auto& test) { return test.param.name; });

class FromAnAverage : public Program {
 protected:
  std::vector<std::string> train(const std::string& name, std::vector<std::string> more) const {
    std::vector<std::string> arguments{"train", tiny(), "run.name=" + name, "train.duration=6 steps"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  /// What a run of no length begins with.
  std::map<std::string, at::Tensor> start_of(const std::string& name, std::vector<std::string> more) const {
    more.push_back("optim.optimizer.lr=0");
    more.push_back("train.duration=1 steps");
    const auto result = ingot(train(name, more));
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return tensors_of(name, 1);
  }
  std::map<std::string, at::Tensor> tensors_of(const std::string& name, std::int64_t step) const {
    const SafetensorsFile file(checkpoint_path(folder / ("runs/" + name), step) / "model-00001.safetensors");
    const auto tensors = file.tensors();
    return {tensors.begin(), tensors.end()};
  }
};

TEST_F(FromAnAverage, WeightsAloneAreThoseThatWereEvaluatedAndAllGoesOn) {
  const std::string average = "optim.average={type: ema, decay: 0.8}";
  ASSERT_EQ(ingot(train("first", {average})).exit_code, 0);
  const auto first = tensors_of("first", 6);
  const auto same = [&](const std::map<std::string, at::Tensor>& begun, const std::string& suffix) {
    const std::string name = "layers.0.mixer.q.weight";
    return begun.at(name).equal(first.at(name + suffix));
  };
  EXPECT_FALSE(first.at("layers.0.mixer.q.weight").equal(first.at("layers.0.mixer.q.weight@evaluation")));
  EXPECT_TRUE(same(start_of("weights", {"train.start_from={path: runs/first}"}), "@evaluation"));
  EXPECT_TRUE(same(start_of("all", {"train.start_from={path: runs/first, load: all}", average}), ""));
  // Without an average, or with one that the first run did not have, it begins anew.
  EXPECT_TRUE(same(start_of("without", {"train.start_from={path: runs/first, load: all}"}), ""));
  EXPECT_EQ(ingot(train("anew", {"train.start_from={path: runs/without, load: all}", average})).exit_code, 0);
  EXPECT_EQ(read_state(checkpoint_path(folder / "runs/all", 1)).at("averaged"), 7);
  EXPECT_EQ(read_state(checkpoint_path(folder / "runs/anew", 6)).at("averaged"), 6);
}

}  // namespace
}  // namespace ingot
