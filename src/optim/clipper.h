#pragma once
// What happens to large gradients before the optimizer sees them.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "optim/grad_norm.h"
#include "registry/add_entry.h"

namespace ingot {

/// Norms of the mean gradient over target tokens.
struct GradientNorms {
  double total = 0;
};

class Clipper {
 public:
  virtual ~Clipper() = default;
  /// Factor for all gradients of the step.
  virtual double factor(const GradientNorms& /*norms*/) const { return 1; }

  /// What must stay together on one rank for `clip_unit`s; kElement if it has none.
  virtual Granularity granularity(const Master& /*master*/) const { return Granularity::kElement; }
  virtual bool clips_units() const { return false; }
  /// Changes the gradient of a master, or of the part of one, in place; `scale` times it is the mean gradient.
  virtual void clip_units_of(const Master& /*part*/, double /*scale*/) const {}
};

struct ClipperEntry : Entry {
  static constexpr const char* kFamily = "clippers";
  std::function<std::unique_ptr<Clipper>(const ConfigObject& settings)> make;
  SettingsSamples samples;
};

void register_all_clippers(Family<ClipperEntry>& family);

}  // namespace ingot
