#include <ATen/TensorOperators.h>

#include "nn/residual_harness.h"

namespace ingot::testing {
namespace {

const Tolerance kTolerance = Tolerance::of(at::kDouble).chain(4);

TEST(SkipGain, ScalesTheSkipPathOfFfnsAlone) {
  const auto built = build_residual("skip_gain");
  EXPECT_EQ(built.harness->num_parameters(), 2 * kModel);  // of sub-layers 1 and 3
  const at::Tensor x = hidden(1), branch = hidden(2);
  const Stream stream = built.rule->begin(x);
  EXPECT_TRUE(close(built.rule->end(built.rule->join(0, stream, branch)), x + branch, kTolerance));
  const at::Tensor gain = built.param("1.residual.gain");
  EXPECT_TRUE(close(built.rule->end(built.rule->join(1, stream, branch)), gain * x + branch, kTolerance));
}

TEST(SkipGain, MayScaleMixersToo) {
  EXPECT_EQ(build_residual("{type: skip_gain, mixers: true}").harness->num_parameters(), 4 * kModel);
}

TEST(SkipGain, StartsAsAddition) {
  const auto built = build_residual("skip_gain", 4, /*random=*/false);
  const at::Tensor x = hidden(1), branch = hidden(2);
  EXPECT_TRUE(close(built.rule->end(built.rule->join(1, built.rule->begin(x), branch)), x + branch, kTolerance));
}

TEST(SkipGain, KeepsTheFactorsOfAPlacement) {
  const auto three = [](int) { return 3.0; };
  const auto built = build_residual("skip_gain", 4, true, at::kDouble, {}, three);
  const at::Tensor x = hidden(1), branch = hidden(2);
  const at::Tensor expected = 3 * built.param("1.residual.gain") * x + branch;
  EXPECT_TRUE(close(built.rule->end(built.rule->join(1, built.rule->begin(x), branch)), expected, kTolerance));
}

}  // namespace
}  // namespace ingot::testing
