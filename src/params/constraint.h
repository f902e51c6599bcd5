#pragma once
// Constraints: sets on which updates put the effective weight back. Some also have a say in the update itself.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/units.h"
#include "params/kept_state.h"
#include "params/param_info.h"
#include "params/selector.h"
#include "registry/add_entry.h"

namespace ingot {

/// When and on what a constraint acts; every constraint has these settings beside its own.
struct ConstraintSchedule {
  std::optional<Duration> start;      // absent: before the first update
  std::optional<std::int64_t> every;  // updates; absent: each
  Selector match;                     // of the parameters that it is defined for
};
void describe(Fields& f, ConstraintSchedule& c);

/// What a constraint keeps from one call to the next, for a parameter.
using ConstraintState = KeptState;

/// What a constraint sees beside the weight.
struct ConstraintContext {
  const ParamInfo& info;
  std::int64_t update = 0;  // the one just made, counted as schedules are; 0: before the first
  std::int64_t total_updates = 0;
  double lr = 0;                    // of the parameter at this update, 0 before the first
  std::vector<at::Tensor>& states;  // in the order of `states()`, for the same rows as the weight
  double decay = 0;                 // the share of the weight that decay beside the gradient takes at this update
};

class Constraint {
 public:
  virtual ~Constraint() = default;
  /// Whether the constraint has anything to do on this parameter (one that selects nothing at all is a config error).
  virtual bool applies(const ParamInfo& info) const = 0;
  virtual Granularity granularity(const ParamInfo& info) const = 0;
  virtual std::vector<ConstraintState> states(const ParamInfo& /*info*/) const { return {}; }
  /// Sets the states from the weight as it is before the constraint acts for the first time.
  virtual void begin(const at::Tensor& /*weight*/, const ConstraintContext& /*context*/) const {}
  /// In place, in master dtype. Idempotent up to rounding. Where ranks share parameters, `weight` may be some rows.
  virtual void apply(at::Tensor& weight, const ConstraintContext& context) const = 0;

  /// Whether it also acts on what leads to the next weight, at every update after it came into force. The parameter's
  /// parametrization must then be plain: the optimizer would move something else than the weight.
  virtual bool changes_updates() const { return false; }
  /// In place: the gradient before the optimizer sees it, up to a positive factor.
  virtual void change_gradient(at::Tensor& /*gradient*/, const at::Tensor& /*weight*/,
                               const ConstraintContext& /*context*/) const {}
  /// In place: the direction d that optimizer and modifiers gave; the weight then becomes (1 - decay)·weight - lr·d.
  virtual void change_direction(at::Tensor& /*direction*/, const at::Tensor& /*weight*/,
                                const ConstraintContext& /*context*/) const {}
};

/// Whether a weight like `info` ends at the same place whether or not decay halves it, so that the scale is the
/// constraint's alone. Asked on a small weight with the same roles.
bool fixes_scale(const Constraint& constraint, const ParamInfo& info);
/// Whether `first` no longer holds after `second` acted: both then fight on a matrix like `info` for ever.
bool undoes(const Constraint& second, const Constraint& first, const ParamInfo& info);

/// States of zeros, for the whole parameter.
std::vector<at::Tensor> make_states(const Constraint& constraint, const ParamInfo& info,
                                    const at::TensorOptions& options);

struct ConstraintEntry : Entry {
  static constexpr const char* kFamily = "constraints";
  std::function<std::unique_ptr<Constraint>(const ConfigObject& settings)> make;
  std::function<ConstraintSchedule(const ConfigObject& settings)> schedule;
  SettingsSamples samples;
};

/// A constraint's settings with its schedule.
template <class C>
struct ConstraintSettings {
  C own;
  ConstraintSchedule schedule;
};
template <class C>
void describe(Fields& f, ConstraintSettings<C>& c) {
  describe(f, c.own);
  describe(f, c.schedule);
}

/// An entry whose constraint K is made from `const C&`, or from nothing.
template <class C, class K>
void add_constraint(Family<ConstraintEntry>& family, std::string name, std::string summary, std::string paper,
                    SettingsSamples samples = {}) {
  using Settings = ConstraintSettings<C>;
  auto& entry = family.add<Settings>(std::move(name), std::move(summary), std::move(paper));
  entry.make =
      with_settings<Settings>([](const Settings& s) -> std::unique_ptr<Constraint> { return construct<K>(s.own); });
  entry.schedule = with_settings<Settings>([](const Settings& s) { return s.schedule; });
  entry.samples = std::move(samples);
}

/// Filled by a generated table.
void register_all_constraints(Family<ConstraintEntry>& family);

}  // namespace ingot
