#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "support/weights.h"

namespace ingot::testing {
namespace {

/// Rows of length 5, 1, 0 and 0.5.
struct Model {
  explicit Model(const std::string& yaml) {
    ParamSpec spec;
    spec.name = "weight";
    spec.shape = {4, 2};
    spec.roles = Role::kInner;
    param = ParamScope(store).declare(spec);
    make_weights(store, fp64_options(), weights_config(yaml));
    master_of(store, "weight").value.copy_(at::tensor({3., 4., 0., -1., 0., 0., .3, .4}, at::kDouble).view({4, 2}));
  }
  ParameterStore store;
  Param param;
};

TEST(NormLoss, IsTheSquaredDistanceOfRowsFromUnitLength) {
  Model model("{penalties: [{type: norm_loss, weight: 0.5}]}");
  EXPECT_NEAR(model.store.penalise(10).item<double>(), 0.5 * (16 + 0 + 1 + 0.25), 1e-14);
  model.store.pull_back();
  // 10 · 0.5 · 2 (1 - 1/|w|) w; a row of zeros has no direction.
  const at::Tensor expected = 10 * at::tensor({3 * .8, 4 * .8, 0., 0., 0., 0., -.3, -.4}, at::kDouble).view({4, 2});
  EXPECT_LT((master_of(model.store, "weight").grad - expected).abs().max().item<double>(), 1e-13);
}

TEST(NormLoss, RowsStayTogether) {
  const Model model("{penalties: [{type: norm_loss, weight: 0.5}]}");
  EXPECT_EQ(model.store.masters()[0].granularity, Granularity::kRow);
}

}  // namespace
}  // namespace ingot::testing
