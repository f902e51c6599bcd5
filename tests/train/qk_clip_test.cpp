// QK-clip within a step.

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "support/tolerance.h"
#include "support/weights.h"
#include "train/families.h"
#include "train/make_setup.h"
#include "train/samples.h"
#include "train/step.h"

namespace ingot {
namespace {

using namespace testing;

constexpr std::int64_t kVocab = 50;

RunConfig config_with(const Families& families, std::vector<std::string> more) {
  more.insert(more.end(), {"optim.optimizer.lr=0", "optim.qk_clip.threshold=0.01"});
  return tiny_config(families, more);
}

at::Tensor queries(const TrainSetup& setup) { return master_of(*setup.store, "layers.4.mixer.q.weight").value; }

TEST(QkClip, TheNextStepFindsNoScoreAboveTheThreshold) {
  const Families families = make_families();
  for (const char* kv_heads : {"1", "2"}) {
    for (const char* recompute : {"none", "full"}) {
      SCOPED_TRACE(std::string(kv_heads) + " " + recompute);
      const auto config = config_with(families, {std::string("model.operators.A.mixer.num_kv_heads=") + kv_heads,
                                                 std::string("train.recompute=") + recompute});
      auto setup = allocated_setup(config, families, kVocab);
      TrainStep step(setup);
      const auto first = random_batch(2, 32, kVocab, 5), second = random_batch(2, 32, kVocab, 6);
      const at::Tensor begun = queries(setup).clone();
      step.accumulate(first);
      step.accumulate(second);
      ASSERT_TRUE(step.finish(1).applied);
      const at::Tensor clipped = queries(setup).clone();
      EXPECT_FALSE(close(clipped, begun, Tolerance::of(at::kDouble)));
      // Both micro-batches counted.
      std::int64_t update = 1;
      for (const auto& batch : {first, second}) {
        step.accumulate(batch);
        ASSERT_TRUE(step.finish(++update).applied);
        EXPECT_TRUE(close(queries(setup), clipped, Tolerance::of(at::kDouble).chain(10)));
      }
    }
  }
}

TEST(QkClip, MeasuresAtItsOwnPace) {
  const Families families = make_families();
  auto setup = allocated_setup(config_with(families, {"optim.qk_clip.every=2"}), families, kVocab);
  TrainStep step(setup);
  std::vector<at::Tensor> weights{queries(setup).clone()};
  for (std::int64_t update = 1; update <= 3; ++update) {
    step.accumulate(random_batch(2, 32, kVocab, 10 + update));
    step.finish(update);
    weights.push_back(queries(setup).clone());
  }
  EXPECT_FALSE(same_bits(weights[1], weights[0]));
  EXPECT_TRUE(same_bits(weights[2], weights[1]));
}

TEST(QkClip, RefusesModelsWhoseScoresItCannotMove) {
  const Families families = make_families();
  auto without = allocated_setup(config_with(families, {"model.layers=DF"}), families, kVocab);
  TrainStep step(without);
  step.accumulate(random_batch(2, 32, kVocab, 5));
  EXPECT_THROW(step.finish(1), ConfigError);
  const auto normed = config_with(families, {"model.operators.A.sites.q=rms_norm"});
  EXPECT_THROW(allocated_setup(normed, families, kVocab), ConfigError);
}

}  // namespace
}  // namespace ingot
