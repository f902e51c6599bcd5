#include "params/constraint_trajectory.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_svdvals.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/golden.h"
#include "support/tolerance.h"
#include "support/weights.h"

namespace ingot::testing {

ConstrainedWeight::ConstrainedWeight(const std::string& yaml, const at::Tensor& start, Role role)
    : weight_(start.clone()) {
  info_.name = "layers.0.mixer.q.weight";
  info_.shape = start.sizes().vec();
  info_.roles = role;
  const auto variant = weights_config("constraints: [" + yaml + "]").constraints.at(0);
  constraint_ = variant.entry().make(variant.settings());
  states_ = make_states(*constraint_, info_, start.options());
  constraint_->begin(weight_, context(0, 0));
  constraint_->apply(weight_, context(0, 0));
}

ConstraintContext ConstrainedWeight::context(double lr, double decay) {
  return {info_, update_, 100, lr, states_, decay};
}

at::Tensor ConstrainedWeight::step(const at::Tensor& given, double lr, double decay) {
  ++update_;
  at::Tensor direction = given.clone();
  if (constraint_->changes_updates()) constraint_->change_direction(direction, weight_, context(lr, decay));
  weight_.mul_(1 - decay).sub_(direction, lr);
  constraint_->apply(weight_, context(lr, decay));
  return direction;
}

at::Tensor ConstrainedWeight::applied(const at::Tensor& weight) {
  at::Tensor out = weight.clone();
  constraint_->apply(out, context(0, 0));
  return out;
}

at::Tensor ConstrainedWeight::changed_gradient(const at::Tensor& gradient) {
  at::Tensor out = gradient.clone();
  constraint_->change_gradient(out, weight_, context(0, 0));
  return out;
}

void check_constraint_trajectory(const std::string& file, const std::string& name) {
  SCOPED_TRACE(name);
  const Golden golden(file);
  const auto settings = nlohmann::json::parse(golden.metadata("settings")).at(name);
  const auto given = [&](const std::string& what) {
    return golden.at(settings.contains("shape") ? settings.at("shape").get<std::string>() + "/" + what
                                                : name + "/" + what);
  };
  const auto directions = given("direction"), weights = golden.at(name + "/w");
  const auto rates = golden.at(golden.has("lr") ? "lr" : name + "/lr");
  ConstrainedWeight weight(settings.at("constraint").get<std::string>(), given("w0"));
  for (std::int64_t t = 0; t < weights.size(0); ++t) {
    const double decay = golden.has("decay") ? golden.at("decay")[t].item<double>() : 0;
    weight.step(directions[t], rates[t].item<double>(), decay);
    ASSERT_LT(relative_error(weight.weight(), weights[t]), 1e-10) << t;
  }
}

at::Tensor singular_values(const at::Tensor& matrix) { return at::linalg_svdvals(matrix); }

}  // namespace ingot::testing
