// What plan says of memory against what a step takes by the allocator's count.

#include "train/memory_plan.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "device/tensor_memory.h"
#include "train/families.h"
#include "train/part_costs.h"
#include "train/samples.h"
#include "train/step.h"

namespace ingot {
namespace {

using namespace testing;

constexpr std::int64_t kVocab = 2000;

struct Case {
  std::string name;
  std::vector<std::string> overrides;
};

std::vector<Case> cases() {
  const std::vector<std::string> wide = {"model.d_model=128", "data.seq_len=192", "train.global_batch=4 sequences",
                                         "train.micro_batch=4", "train.precision=fp32"};
  const std::vector<Case> models = {{"hybrid", {"model.layers=DFMF AFMF"}},
                                    {"dense", {"model.layers=3x(AF)", "model.meta_tokens=0"}},
                                    {"no_documents", {"model.layers=DFAF", "data.reset_at_document=false"}},
                                    {"bf16", {"model.layers=DFMF AFMF", "train.precision=bf16"}}};
  std::vector<Case> out;
  for (const auto& model : models) {
    for (const char* policy : {"none", "selective", "full"}) {
      Case c{cat(model.name, "_", policy), wide};
      c.overrides.insert(c.overrides.end(), model.overrides.begin(), model.overrides.end());
      c.overrides.push_back(cat("train.recompute=", policy));
      out.push_back(c);
    }
  }
  // Rules of the residual stream, which keep more of it than addition does.
  const auto families = make_families();
  for (const auto& rule : families.at("residuals").names()) {
    for (const char* policy : {"none", "full"}) {
      Case c{cat("residual_", rule, "_", policy), wide};
      c.overrides.push_back(cat("model.residual=", rule));
      c.overrides.push_back(cat("train.recompute=", policy));
      out.push_back(c);
    }
  }
  return out;
}

class PlannedMemory : public ::testing::TestWithParam<Case> {};

/// Bytes that a micro-batch takes at most beside store and optimizer.
std::int64_t measured_peak(TrainSetup& setup, std::int64_t rows) {
  TrainStep step(setup);
  const auto batch = random_batch(rows, setup.config.data.seq_len, kVocab, 5);
  step.accumulate(batch);
  reset_tensor_peak(at::kCPU);
  const auto before = tensor_memory(at::kCPU).allocated;
  step.accumulate(batch);
  return tensor_memory(at::kCPU).peak_allocated - before;
}

TEST_P(PlannedMemory, IsWithinFivePercentOfWhatAStepTakes) {
  const Families families = make_families();
  auto setup = allocated_setup(tiny_config(families, GetParam().overrides), families, kVocab, at::kFloat);
  const auto costs = measure_costs(setup, families, Measure::kMemory);
  for (const std::int64_t rows : {2, 4}) {
    const auto measured = static_cast<double>(measured_peak(setup, rows));
    const auto planned = static_cast<double>(plan_memory(setup, &costs, rows).activations);
    EXPECT_NEAR(planned / measured, 1, 0.05) << rows << " rows: planned " << planned << ", measured " << measured;
  }
}

INSTANTIATE_TEST_SUITE_P(Policies, PlannedMemory, ::testing::ValuesIn(cases()),
                         [](const auto& test) { return test.param.name; });

TEST(ChooseMicroBatch, IsTheLargestDivisorOfTheBatchThatFits) {
  const auto families = make_families();
  const auto setup = allocated_setup(tiny_config(families, {"train.global_batch=12 sequences"}), families, 257);
  ModelCosts costs;
  EXPECT_EQ(choose_micro_batch(setup, costs), 12);  // all of it: nothing stands in the way
  // Room for five rows and a half beside the weights; 4 is the largest divisor of 12 below.
  const double room = 0.9 * static_cast<double>(available_memory(setup) + held_memory(setup));
  costs.frame.kept.per_token = room / (5.5 * static_cast<double>(setup.config.data.seq_len));
  EXPECT_EQ(choose_micro_batch(setup, costs), 4);
  EXPECT_EQ(fitting_rows(setup, costs), 5);
  costs.frame.kept.per_token *= 100;
  EXPECT_EQ(fitting_rows(setup, costs), 0);
  EXPECT_EQ(choose_micro_batch(setup, costs), 1);
}

}  // namespace
}  // namespace ingot
