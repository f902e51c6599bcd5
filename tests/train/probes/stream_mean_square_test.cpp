#include <ATen/TensorOperators.h>
#include <ATen/ops/index_select.h>
#include <gtest/gtest.h>

#include "eval/batch_tensors.h"
#include "train/probes/bench.h"

namespace ingot::testing {
namespace {

TEST(StreamMeanSquare, IsThatOfTheEmbeddingThenOneBehindEveryPostNorm) {
  ProbeBench bench({"model.placement=post", "model.meta_tokens=0", "model.embedding_factor=none"});
  auto& run = bench.run();
  run.data.emplace(open_training_data(run.config, std::nullopt, run.families, {}));
  const auto values = bench.make("stream_mean_square")->measure(run).at("values").get<std::vector<double>>();
  ASSERT_EQ(std::ssize(values), run.setup.model->num_sublayers() + 1);

  const auto tokens = to_tensors(run.data->make_batch(0, run.setup.micro_batch), false).tokens.flatten();
  for (const auto& master : run.setup.store->masters()) {
    if (master.name != "embedding.weight") continue;
    EXPECT_NEAR(values[0], at::index_select(master.value, 0, tokens).square().mean().item<double>(), 1e-12);
  }
  for (std::size_t i = 1; i < values.size(); ++i) EXPECT_NEAR(values[i], 1, 1e-2) << i;
}

}  // namespace
}  // namespace ingot::testing
