#include <ATen/TensorOperators.h>

#include "nn/residual_harness.h"

namespace ingot::testing {
namespace {

TEST(LayerScale, MultipliesChannelsByTheirGain) {
  const auto built = build_residual("layer_scale");
  const at::Tensor x = hidden(1), branch = hidden(2);
  const at::Tensor expected = x + built.param("1.residual.gain") * branch;
  EXPECT_TRUE(
      close(built.rule->end(built.rule->join(1, built.rule->begin(x), branch)), expected, Tolerance::of(at::kDouble)));
}

TEST(LayerScale, StartsByTheNumberOfBlocks) {
  const auto start = [](const std::string& yaml, int num_sublayers) {
    const auto built = build_residual(yaml, num_sublayers, /*random=*/false);
    return built.param("1.residual.gain").select(0, 3).item<double>();
  };
  EXPECT_EQ(start("layer_scale", 36), 0.1);   // 18 blocks
  EXPECT_EQ(start("layer_scale", 38), 1e-5);  // 19
  EXPECT_EQ(start("layer_scale", 48), 1e-5);  // 24
  EXPECT_EQ(start("layer_scale", 50), 1e-6);  // 25
  EXPECT_EQ(start("{type: layer_scale, start: 0.3}", 50), 0.3);
}

}  // namespace
}  // namespace ingot::testing
