#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "params/one_matrix.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(L2Init, IsTheSquaredDistanceFromTheStart) {
  OneMatrix model("{penalties: [{type: l2_init, weight: 0.5}]}", {6, 4});
  EXPECT_EQ(model.penalise(), 0);
  const at::Tensor moved = random_normal({6, 4}, 1);
  model.value().add_(moved);
  const auto tolerance = Tolerance::of(at::kDouble).reduction(24);
  EXPECT_NEAR(model.penalise(10), 0.5 * moved.square().sum().item<double>(), 1e-13);
  EXPECT_TRUE(close(model.grad(), 10 * moved, tolerance));
}

TEST(L2Init, ReachesGainsToo) {
  OneMatrix model("{penalties: [{type: l2_init, weight: 0.5}]}", {6}, Role::kGain);
  model.value().add_(2);
  EXPECT_NEAR(model.penalise(), 0.5 * 6 * 4, 1e-13);
}

/// A run that goes on keeps its start; one that begins with other weights starts from these.
TEST(L2Init, TheStartIsThatOfTheRun) {
  OneMatrix model("{penalties: [{type: l2_init, weight: 1}]}", {6, 4});
  const auto states = model.store.constraint_state();
  ASSERT_EQ(states.size(), 1u);
  EXPECT_EQ(states[0].name, "weight@l2_init.start");
  EXPECT_EQ(model.store.state().size(), 2u);
  model.value().add_(1);
  model.store.begin_constraints(5, {states[0].name});
  EXPECT_NEAR(model.penalise(), 24, 1e-12);
  model.store.begin_constraints(5);
  EXPECT_EQ(model.penalise(), 0);
}

/// Ranks may cut the parameter anywhere, also within rows.
TEST(L2Init, PartsAddUp) {
  constexpr std::int64_t kCut = kOwnedUnit, kNumel = 2 * kOwnedUnit;
  double sum = 0;
  std::vector<double> values;
  for (const auto& [begin, end] : {std::pair{std::int64_t{0}, kNumel}, {std::int64_t{0}, kCut}, {kCut, kNumel}}) {
    ParameterStore store;
    ParamSpec spec;
    spec.name = "weight";
    spec.shape = {2, kNumel / 2};
    spec.roles = Role::kInner;
    ParamScope(store).declare(spec);
    store.layout(weights_config("{penalties: [{type: l2_init, weight: 1}]}"), 4, fp64_options());
    store.own({{0, begin, end}}, true);
    store.allocate();
    store.initialise(1);
    store.owned()[0].value.add_(0.5);
    values.push_back(store.penalise(1).item<double>());
    const auto state = store.constraint_state().at(0);
    EXPECT_EQ(state.begin, begin);
    EXPECT_EQ(state.tensor.numel(), end - begin);
    sum += begin == 0 && end == kNumel ? 0 : values.back();
  }
  EXPECT_NEAR(sum, values[0], 1e-9);
}

TEST(L2Init, ActsOnAParameterOnce) {
  try {
    OneMatrix("{penalties: [{type: l2_init, weight: 1}, {type: l2_init, weight: 2}]}", {6, 4});
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_STREQ(error.what(),
                 "weights.penalties.1: l2_init reaches 'weight' for the second time, expected once, as it keeps values "
                 "of a parameter");
  }
}

}  // namespace
}  // namespace ingot::testing
