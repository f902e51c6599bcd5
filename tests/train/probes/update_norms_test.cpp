#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <gtest/gtest.h>

#include "train/probes/bench.h"

namespace ingot::testing {
namespace {

double norm(const at::Tensor& x) { return at::linalg_vector_norm(x, 2).item<double>(); }

TEST(UpdateNorms, AreThoseOfTheDifferenceThatAStepMakes) {
  ProbeBench bench({"optim.optimizer={type: sgd, lr: 0.5, momentum: 0}", "weights.constraints=[unit_norm]"});
  const auto probe = bench.make("update_norms");
  ASSERT_TRUE(probe->needs_update());
  const auto& masters = bench.run().setup.store->masters();
  std::vector<at::Tensor> before;
  for (const auto& master : masters) before.push_back(master.value.clone());
  bench.step(*probe);
  const auto values = probe->measure(bench.run());
  std::size_t checked = 0;
  for (const auto& master : masters) {
    if (!master.trained) continue;
    const auto& old = before[master.index];
    EXPECT_NEAR(values.at("update").at(master.name).get<double>(), norm(master.value - old), 1e-12) << master.name;
    EXPECT_NEAR(values.at("weight").at(master.name).get<double>(), norm(old), 1e-12 * norm(old)) << master.name;
    EXPECT_GE(values.at("ratio").at(master.name).get<double>(), 0);
    checked += norm(master.value - old) > 0 ? 1 : 0;
  }
  EXPECT_GT(checked, masters.size() / 2);
}

}  // namespace
}  // namespace ingot::testing
