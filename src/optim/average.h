#pragma once
// Averages of the weights over updates, which are evaluated in place of the weights that are trained.
//
//   a <- a + s_n·(w - a)     w: masters after an update, the n-th that enter; s_1 = 1
//
// Evaluated is w + blend·(a - w). A variant is no more than the shares s_n: the weights of a mean.

#include <cstdint>
#include <functional>
#include <memory>

#include "config/units.h"
#include "optim/optimizer.h"
#include "params/selector.h"

namespace ingot {

/// Settings that every average has beside its own.
struct AverageScope {
  Selector match;
  Duration start = Duration::of_steps(0);
  std::int64_t every = 1;
  double blend = 1;
};
void describe(Fields& f, AverageScope& c);

class Average {
 public:
  virtual ~Average() = default;
  /// s_n for n from 1.
  virtual double share(std::int64_t n) const = 0;
};

struct AverageEntry : Entry {
  static constexpr const char* kFamily = "averages";
  /// Null: nothing is averaged.
  std::function<std::unique_ptr<Average>(const ConfigObject& settings, const ScheduleContext& context)> make;
  std::function<AverageScope(const ConfigObject& settings)> scope;  // null where `make` gives null
  SettingsSamples samples;
};

void register_all_averages(Family<AverageEntry>& family);

}  // namespace ingot
