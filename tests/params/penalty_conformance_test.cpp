// What every penalty must do, over the registry and all samples of settings.

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include "params/penalty.h"
#include "params/sample_infos.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"
#include "support/weights.h"

namespace ingot::testing {
namespace {

/// A penalty on one parameter, in a run that began with another weight than those that it then sees.
class PenaltyOnParameter {
 public:
  PenaltyOnParameter(const Penalty& penalty, const ParamInfo& info)
      : penalty_(penalty), info_(info), states_(make_states(penalty.states(info), at::kDouble)) {
    penalty.begin(random_normal(info.shape, 21) * 2, {info, states_});
  }
  at::Tensor value(const at::Tensor& weight) { return penalty_.value(weight, {info_, states_}); }
  /// Of n rows or columns from `begin` on, with the states of them.
  at::Tensor value_of_part(const at::Tensor& weight, int axis, std::int64_t begin, std::int64_t n) {
    std::vector<at::Tensor> states;
    for (const auto& state : states_) {
      EXPECT_EQ(state.sizes(), weight.sizes());
      states.push_back(state.narrow(axis, begin, n));
    }
    return penalty_.value(weight.narrow(axis, begin, n), {info_, states});
  }
  void advance(const at::Tensor& weight) { penalty_.advance(weight, {info_, states_}); }
  std::vector<at::Tensor>& states() { return states_; }
  Granularity granularity() const { return penalty_.granularity(info_); }

 private:
  const Penalty& penalty_;
  const ParamInfo& info_;
  std::vector<at::Tensor> states_;
};

/// As in the config, with a weight: "{type: norm_loss, weight: 0.3}".
std::vector<std::string> penalty_texts() {
  auto texts = all_settings(weight_families().get<PenaltyEntry>());
  for (auto& text : texts) text.replace(text.rfind('}'), 1, ", weight: 0.3}");
  return texts;
}

class Penalties : public ::testing::TestWithParam<std::string> {
 protected:
  std::string yaml() const { return "penalties: [" + GetParam() + "]"; }
  template <class F>
  void for_each(F f) {
    const auto config = weights_config("{" + yaml() + "}");
    const auto& variant = config.penalties.at(0);
    const auto penalty = variant.entry().make(variant.settings());
    int count = 0;
    for (const auto& info : sample_infos()) {
      if (!penalty->applies(info)) continue;
      SCOPED_TRACE(sample_name(info));
      PenaltyOnParameter on_parameter(*penalty, info);
      f(on_parameter, random_normal(info.shape, 1));
      ++count;
    }
    EXPECT_GT(count, 0);
  }
};

TEST_P(Penalties, AreDifferentiable) {
  for_each([](PenaltyOnParameter& p, const at::Tensor& weight) {
    EXPECT_EQ(p.value(weight).dim(), 0);
    EXPECT_GT(p.value(weight).item<double>(), 0);
    const auto f = [&](const std::vector<at::Tensor>& in) { return std::vector<at::Tensor>{p.value(in[0])}; };
    EXPECT_TRUE(gradcheck(f, {weight}));
    const at::Tensor zero = at::zeros_like(weight).requires_grad_();
    p.value(zero).backward();
    EXPECT_TRUE(zero.grad().isfinite().all().item<bool>());
  });
}

/// What ranks that share a parameter rely on.
TEST_P(Penalties, AddUpOverTheirUnits) {
  for_each([](PenaltyOnParameter& p, const at::Tensor& weight) {
    const Granularity granularity = p.granularity();
    if (granularity == Granularity::kMatrix || weight.size(0) < 3) return;
    const int axis = granularity == Granularity::kColumn ? 1 : 0;
    const auto part = [&](std::int64_t begin, std::int64_t n) { return p.value_of_part(weight, axis, begin, n); };
    EXPECT_TRUE(close(part(0, 2) + part(2, weight.size(axis) - 2), p.value(weight),
                      Tolerance::of(at::kDouble).reduction(weight.numel())));
  });
}

TEST_P(Penalties, MoveTheirStatesBetweenStepsAlone) {
  for_each([](PenaltyOnParameter& p, const at::Tensor& weight) {
    std::vector<at::Tensor> before;
    for (const auto& state : p.states()) before.push_back(state.clone());
    p.value(weight);
    for (std::size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(same_bits(p.states()[i], before[i]));
    p.advance(weight);
    for (const auto& state : p.states()) EXPECT_TRUE(state.isfinite().all().item<bool>());
  });
}

TEST_P(Penalties, GradientsReachTheMastersOfAnyParametrization) {
  const auto& family = weight_families().get<ParametrizationEntry>();
  for (const auto& parametrization : family.names()) {
    SCOPED_TRACE(parametrization);
    if (!family.at(parametrization).make(*family.at(parametrization).defaults)->has_exact_gradient()) continue;
    ParameterStore store;
    ParamSpec spec;
    spec.name = "weight";
    spec.shape = {6, 8};
    spec.roles = parametrization == "fix_norm" ? Role::kHead : Role::kReadsStream;
    spec.hidden_axis = 1;
    ParamScope(store).declare(spec);
    make_weights(store, fp64_options(), weights_config("{parametrization: " + parametrization + ", " + yaml() + "}"));
    for (const Master& master : store.masters()) {  // away from where the run began
      at::Tensor value = master.value;
      if (master.trained) value.add_(random_normal(value.sizes(), 7), 0.1);
    }
    const auto penalised = [&] { return store.penalise(0).item<double>(); };
    store.penalise(10);
    store.pull_back();
    for (const Master& master : store.masters()) {
      if (!master.trained) continue;
      at::Tensor value = master.value;
      const at::Tensor direction = random_normal(value.sizes(), 5), kept = value.clone();
      const double h = 1e-6;
      value.copy_(kept.add(direction, h));
      const double above = penalised();
      value.copy_(kept.sub(direction, h));
      const double below = penalised();
      value.copy_(kept);
      const double analytic = (master.grad * direction).sum().item<double>();
      EXPECT_NEAR(10 * (above - below) / (2 * h), analytic, 1e-6 * (1 + std::abs(analytic))) << master.name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Conformance, Penalties, ::testing::ValuesIn(penalty_texts()),
                         [](const auto& penalty) { return settings_name(penalty.param); });

}  // namespace
}  // namespace ingot::testing
