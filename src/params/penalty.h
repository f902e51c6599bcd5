#pragma once
// Penalties: terms of the loss that depend on weights alone.

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <utility>

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
  /// A scalar, differentiable in the effective weight, of master dtype; of a parameter that ranks share, the sum over
  /// those of its units (rows, …) which `weight` has.
  virtual at::Tensor value(const at::Tensor& weight, const ParamInfo& info) const = 0;

 protected:
  explicit Penalty(PenaltySettings common) : common_(std::move(common)) {}

 private:
  PenaltySettings common_;
};

struct PenaltyEntry : Entry {
  static constexpr const char* kFamily = "penalties";
  std::function<std::unique_ptr<Penalty>(const ConfigObject& settings)> make;
};

void register_all_penalties(Family<PenaltyEntry>& family);

}  // namespace ingot
