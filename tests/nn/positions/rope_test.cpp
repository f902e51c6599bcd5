#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "nn/golden.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

std::unique_ptr<Position> rope(const std::string& yaml, std::int64_t head_dim = 8, bool at_embedding = false) {
  const auto variant = configured<PositionEntry>(yaml);
  ParameterStore store;
  return variant.entry().make(variant.settings(), {ParamScope(store), kModel, head_dim, 64, at_embedding});
}

TEST(Rope, MatchesGolden) {
  for (const auto& [name, yaml] : std::map<std::string, std::string>{
           {"default", "rope"}, {"ntk", "{type: rope, ntk: {max_length: 256, original_length: 64}}"}}) {
    const GoldenCase golden = golden_case(Golden("rope"), name + "/");
    const auto position = rope(yaml);
    SequenceContext context = plain_context(2, 5);
    context.position = golden.at("in/position");
    Harness none(at::kDouble, [](const ParamScope&) {});
    expect_golden(golden, none, [&](const at::Tensor& x) { return position->rotate(x, context); });
  }
}

TEST(Rope, ScoresDependOnDistancesOnly) {
  const auto position = rope("rope");
  const at::Tensor q = random_normal({1, 1, 1, 8}, 1), k = random_normal({1, 1, 1, 8}, 2);
  const auto score = [&](std::int64_t i, std::int64_t j) {
    return (position->rotate(q, plain_context(1, 1, i)) * position->rotate(k, plain_context(1, 1, j))).sum();
  };
  EXPECT_TRUE(close(score(1007, 1000), score(7, 0), Tolerance::of(at::kDouble).reduction(1000)));
  EXPECT_GT(relative_error(score(8, 0), score(7, 0)), 1e-3);
}

TEST(Rope, BelongsToAttentionWithEvenHeads) {
  EXPECT_THROW(rope("rope", 8, true), ConfigError);
  EXPECT_THROW(rope("rope", 7), ConfigError);
  EXPECT_THROW(rope("{type: rope, ntk: {max_length: 10, original_length: 64}}"), ConfigError);
}

}  // namespace
}  // namespace ingot::testing
