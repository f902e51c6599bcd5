#pragma once
// What happens to large gradients before the optimizer sees them.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "optim/grad_norm.h"
#include "registry/add_entry.h"

namespace ingot {

/// Norms of the mean gradient over target tokens, the same on all ranks; not finite if a gradient is not.
struct GradientNorms {
  double total = 0;
  // For clippers that look at parameters.
  struct OfParameter {
    const Master* master;
    std::size_t group;  // in `groups`
    double norm;
  };
  std::vector<OfParameter> parameters = {};  // all that are trained, as declared
  std::vector<double> groups = {};           // of the default group, then of each group of the config
};

/// What a clipper asks about the step itself: how far it moves the logits of some tokens.
struct LogitProbe {
  std::int64_t tokens = 0;  // of each rank's last micro-batch; 0: nothing is asked
  double quantile = 1;      // over these
  double reach = 1;         // of the finite difference: at most this share of the weights' norm, along the step
};

class Clipper {
 public:
  virtual ~Clipper() = default;
  /// Factor for all gradients of the step; 0: the step is skipped. Called once for each step, also for one that is
  /// skipped for another reason.
  virtual double factor(const GradientNorms& /*norms*/) { return 1; }
  /// Whether `factor` needs more than the total.
  virtual bool looks_at_parameters() const { return false; }
  virtual LogitProbe probe() const { return {}; }
  /// Share of the step that is taken, asked after each update if there is a probe. `spread`: between the logits of a
  /// token that the step would move most and least, to first order; the quantile of tokens, the largest of all ranks.
  virtual double share(double /*spread*/) const { return 1; }
  /// Moving statistics and the like, the same on all ranks; saved with checkpoints, so that a resumed run goes on with
  /// them. A run that begins with another's weights (`train.start_from`) begins without any.
  virtual std::vector<double> state() const { return {}; }
  virtual void restore(const std::vector<double>& /*state*/) {}

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
