#include <ATen/ops/allclose.h>

#include "params/init_harness.h"

namespace ingot::testing {
namespace {

/// Start values of q in each of four blocks of two sub-layers, as a store draws them.
class Tleg : public ::testing::Test {
 protected:
  static at::Tensor start_of(int depth, const std::string& op = "A") {
    const auto init = make_init("{type: tleg, inner: {type: normal, std: 0.5}}", 8);
    auto info = Matrices().q;
    info.depth = depth;
    info.op = op;
    info.name = cat("layers.", depth, ".mixer.q.weight");
    at::Tensor weight = at::empty(info.shape, at::kDouble);
    RandomStream random(1, init->random_key(info));
    init->fill(weight, info, random);
    return weight;
  }
};

TEST_F(Tleg, BlocksLieOnALineInStepsOfOneOverTheirNumber) {
  const at::Tensor a = start_of(0), step = start_of(2) - a;
  expect_normal(a, 0.5);
  expect_normal(step * 4, 0.5);  // B
  EXPECT_TRUE(at::allclose(start_of(4), a + 2 * step, 0, 1e-14));
  EXPECT_TRUE(at::allclose(start_of(6), a + 3 * step, 0, 1e-14));
  EXPECT_TRUE(start_of(1).equal(a));  // of the same block, had it the same operator
  EXPECT_FALSE(start_of(0, "B").equal(a));
}

TEST_F(Tleg, OutsideTheStackItIsTheInnerInit) {
  const auto init = make_init("{type: tleg, inner: gpt2}", 8), inner = make_init("gpt2", 8);
  const auto embedding = Matrices().embedding;
  EXPECT_TRUE(drawn(*init, embedding).equal(drawn(*inner, embedding)));
  EXPECT_EQ(init->random_key(embedding), embedding.name);
}

TEST_F(Tleg, AStoreDrawsTheTwoOnce) {
  ParameterStore store;
  for (const int depth : {0, 2}) {
    ParamSpec spec;
    spec.name = cat("layers.", depth, ".q.weight");
    spec.shape = {8, 8};
    spec.roles = Role::kReadsStream;
    ParamScope(store).at(depth, "A").declare(spec);
  }
  make_weights(store, fp64_options(), weights_config("init: {type: tleg, inner: {type: normal, std: 1}}"), 4);
  const at::Tensor a = master_of(store, "layers.0.q.weight").value,
                   b = 2 * (master_of(store, "layers.2.q.weight").value - a);
  // Were they drawn for each name, b would be twice the difference of two draws: of variance 5 and correlated.
  EXPECT_NEAR(b.std().item<double>(), 1, 0.5);
  EXPECT_NEAR((a * b).mean().item<double>(), 0, 5 / 8.0);
}

}  // namespace
}  // namespace ingot::testing
