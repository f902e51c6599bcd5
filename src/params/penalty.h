#pragma once
// Penalties: terms of the loss that depend on weights alone.

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "params/kept_state.h"
#include "params/param_info.h"
#include "params/selector.h"
#include "registry/add_entry.h"

namespace ingot {

/// What every penalty has beside its own settings; described by `describe_common`.
struct PenaltySettings {
  double weight = 0;
  Selector match;
};
/// Called behind the fields of the penalty's own.
void describe_common(Fields& f, PenaltySettings& c);

/// What a penalty sees beside the weight.
struct PenaltyContext {
  const ParamInfo& info;
  std::vector<at::Tensor>& states;  // in the order of `states()`, for the same rows as the weight
};

/// Once a step, weight · value is added to the loss for every parameter that it selects. The gradient in the effective
/// weight comes from autograd; the store maps it to the masters.
class Penalty {
 public:
  virtual ~Penalty() = default;
  double weight() const { return common_.weight; }
  const Selector& match() const { return common_.match; }

  /// Whether it is defined for this parameter (one that reaches no parameter at all is a config error).
  virtual bool applies(const ParamInfo& info) const { return info.roles.any(matrix_roles()); }
  virtual Granularity granularity(const ParamInfo& info) const = 0;
  /// What it keeps of a parameter. A penalty that keeps something acts on a parameter once: listed twice, it may select
  /// none for the second time.
  virtual std::vector<KeptState> states(const ParamInfo& /*info*/) const { return {}; }
  /// Sets the states from the weight with which the run begins.
  virtual void begin(const at::Tensor& /*weight*/, const PenaltyContext& /*context*/) const {}
  /// A scalar, differentiable in the effective weight, of master dtype; of a parameter that ranks share, the sum over
  /// those of its units (rows, …) which `weight` has. Leaves the states as they are.
  virtual at::Tensor value(const at::Tensor& weight, const PenaltyContext& context) const = 0;
  /// Whether `advance` has anything to do.
  virtual bool moves_states() const { return false; }
  /// Moves the states after every update, to which `weight` belongs.
  virtual void advance(const at::Tensor& /*weight*/, const PenaltyContext& /*context*/) const {}

 protected:
  explicit Penalty(PenaltySettings common) : common_(std::move(common)) {}

 private:
  PenaltySettings common_;
};

struct PenaltyEntry : Entry {
  static constexpr const char* kFamily = "penalties";
  std::function<std::unique_ptr<Penalty>(const ConfigObject& settings)> make;
  SettingsSamples samples;  // without `weight`
};

/// An entry whose penalty P is made from `const C&`.
template <class C, class P>
void add_penalty(Family<PenaltyEntry>& family, std::string name, std::string summary, std::string paper,
                 SettingsSamples samples = {}) {
  auto& entry = add_entry<C, P>(family, std::move(name), std::move(summary), std::move(paper));
  entry.samples = std::move(samples);
}

void register_all_penalties(Family<PenaltyEntry>& family);

}  // namespace ingot
