// The memory of a whole process against what plan says of its tensors.

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/program.h"
#include "run/metrics.h"

namespace ingot {
namespace {

using namespace testing;
using nlohmann::json;

class ProcessMemory : public Program {};

TEST_F(ProcessMemory, PeaksWithinATenthOfThePlanAndFaultsNoMore) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer keeps freed blocks";
#endif
  const auto result = ingot({"bench", "step", source_path("configs/quickstart.yaml"), "--steps", "2", "--warm-up", "2",
                             "--profiled", "0", "--json", "train.precision=fp32"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json step = json::parse(result.out)["results"][0];
  const double program = step["program_bytes"], peak = step["peak_resident_bytes"], planned = step["planned_bytes"];
  EXPECT_NEAR((peak - program) / planned, 1, 0.1) << "peak " << peak << ", program " << program << ", plan " << planned;
  EXPECT_LT(step["minor_faults"].get<double>(), 100);
}

/// With a checkpoint on its way, and the program itself.
TEST_F(ProcessMemory, OfARunIsWithinATenthOfThePlan) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer keeps freed blocks";
#endif
  const std::vector<std::string> config{
      source_path("configs/test/tiny.yaml"), "model.d_model=384",      "data.seq_len=128",        "train.micro_batch=8",
      "train.global_batch=8 sequences",      "train.duration=8 steps", "checkpoint.every=2 steps"};
  auto plan = config, train = config;
  plan.insert(plan.begin(), {"plan", "--json"});
  train.insert(train.begin(), "train");
  const auto planned = ingot(plan);
  ASSERT_EQ(planned.exit_code, 0) << planned.err;
  const auto trained = ingot(train);
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  double most = 0;
  for (const auto& line : read_metrics(folder / "runs/tiny/metrics.jsonl")) {
    if (line.at("kind") == "train") most = std::max(most, line.at("memory_bytes").get<double>());
  }
  const json memory = json::parse(planned.out)["memory"];
  EXPECT_NEAR(most / memory["total"].get<double>(), 1, 0.1) << "resident " << most << ", plan " << memory;
}

}  // namespace
}  // namespace ingot
