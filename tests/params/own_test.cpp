// A store that owns a part of the masters.

#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "support/weights.h"

namespace ingot {
namespace {

using namespace testing;

constexpr std::int64_t kRows = 50, kColumns = 7;

void declare_model(ParameterStore& store) {
  const ParamScope root(store);
  const auto declare = [&](const std::string& name, RoleSet roles, std::vector<std::int64_t> shape) {
    ParamSpec spec;
    spec.name = name;
    spec.shape = std::move(shape);
    spec.roles = roles;
    if (roles.has(Role::kGain)) spec.fixed_init = constant_init(1);
    root.declare(spec);
  };
  declare("a.weight", Role::kInner, {kRows, kColumns});
  declare("gain", Role::kGain, {kColumns});
  declare("b.weight", Role::kInner, {kRows, kColumns});
  declare("c.weight", Role::kInner, {kRows, kColumns});
}

/// Rows 10 to 19 of a, elements 3 to 99 of b.
std::vector<OwnedRange> some_ranges() { return {{0, 10 * kColumns, 20 * kColumns}, {2, 3, 100}}; }

void own(ParameterStore& store, at::ScalarType compute, const std::vector<OwnedRange>& ranges,
         const std::string& yaml = "{}") {
  store.layout(weights_config(yaml), 4, store_options(compute));
  store.own(ranges, false);
  store.allocate();
  store.initialise(1);
}

TEST(Own, PartsAreThoseOfTheWhole) {
  ParameterStore whole, part;
  declare_model(whole);
  declare_model(part);
  make_weights(whole, store_options(at::kBFloat16));
  own(part, at::kBFloat16, some_ranges());
  ASSERT_EQ(part.owned().size(), 2u);
  const Master &rows = part.owned()[0], &elements = part.owned()[1];
  EXPECT_EQ(rows.shape, (std::vector<std::int64_t>{10, kColumns}));
  EXPECT_EQ(elements.shape, (std::vector<std::int64_t>{97}));
  EXPECT_TRUE(at::equal(rows.value, master_of(whole, "a.weight").value.narrow(0, 10, 10)));
  EXPECT_TRUE(at::equal(elements.value, master_of(whole, "b.weight").value.flatten().narrow(0, 3, 97)));
  // Of the compute weights only what it owns has come to be.
  EXPECT_TRUE(at::equal(part.leaves()[0].weight().narrow(0, 10, 10), whole.leaves()[0].weight().narrow(0, 10, 10)));
  EXPECT_EQ(part.leaves()[0].weight().narrow(0, 0, 10).abs().max().item<double>(), 0);
  EXPECT_EQ(part.leaves()[3].weight().abs().max().item<double>(), 0);
  // Gradients of parts are views of those of the whole.
  part.leaves()[0].grad().narrow(0, 10, 1).fill_(2);
  EXPECT_EQ(rows.grad[0][0].item<double>(), 2);
}

TEST(Own, OnlyWhatIsNeededIsStored) {
  for (const auto compute : {at::kFloat, at::kBFloat16}) {
    ParameterStore whole, part;
    declare_model(whole);
    declare_model(part);
    whole.layout(weights_config(), 4, store_options(compute));
    part.layout(weights_config(), 4, store_options(compute));
    part.own(some_ranges(), true);
    if (compute == at::kFloat) {
      EXPECT_EQ(part.memory().masters, whole.memory().masters);  // they are the weights
    } else {
      EXPECT_LT(part.memory().masters, 4 * (10 * kColumns + 97 + kColumns + 3 * 32));
    }
    EXPECT_EQ(part.memory().gradients, whole.memory().gradients);
    EXPECT_EQ(part.memory().weights, whole.memory().weights);
    part.allocate();
    EXPECT_EQ(static_cast<std::int64_t>(part.flat_masters().nbytes()), part.memory().masters);
  }
}

TEST(Own, ConstraintsActOnOwnedRows) {
  const std::string yaml = "constraints: [unit_norm]";
  const auto make = [](ParameterStore& store) {
    ParamSpec spec;
    spec.name = "reads.weight";
    spec.shape = {kRows, kColumns};
    spec.roles = Role::kReadsStream;
    spec.hidden_axis = 1;
    ParamScope(store).declare(spec);
  };
  ParameterStore whole, part;
  make(whole);
  make(part);
  make_weights(whole, store_options(at::kBFloat16), weights_config(yaml));
  own(part, at::kBFloat16, {{0, 5 * kColumns, 9 * kColumns}}, yaml);
  EXPECT_TRUE(at::equal(part.owned()[0].value, whole.masters()[0].value.narrow(0, 5, 4)));
}

TEST(Own, StateNamesTheWholeAndWhereThePartBegins) {
  ParameterStore part;
  declare_model(part);
  own(part, at::kBFloat16, some_ranges());
  const auto state = part.state();
  ASSERT_EQ(state.size(), 4u);
  EXPECT_EQ(state[0].begin, 10 * kColumns);
  EXPECT_EQ(state[0].shape, (std::vector<std::int64_t>{kRows, kColumns}));
  EXPECT_FALSE(state[0].is_whole());
  EXPECT_FALSE(state[1].is_owned());
  EXPECT_EQ(state[2].tensor.numel(), 97);
  EXPECT_FALSE(state[3].is_owned());
}

TEST(Own, RefusesWhatTearsAParametrizationApart) {
  const std::string yaml = "parametrization: {type: weight_norm, per: row}";
  for (const auto& ranges : {std::vector<OwnedRange>{{0, 0, 7}}, std::vector<OwnedRange>{{1, 0, 350}, {0, 0, 50}}}) {
    ParameterStore store;
    declare_model(store);
    store.layout(weights_config(yaml), 4, store_options(at::kBFloat16));
    EXPECT_THROW(store.own(ranges, true), std::logic_error);
  }
}

}  // namespace
}  // namespace ingot
