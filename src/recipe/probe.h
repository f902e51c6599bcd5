#pragma once
// Probes: measurements along a run that change nothing of it. Their values stand in metrics.jsonl, lines of kind
// "probe".

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "config/fields.h"
#include "config/units.h"
#include "registry/family.h"

namespace ingot {

struct TrainRun;

/// Every rank has one and calls it at the same steps, so that it may use collectives, unless it is local.
class Probe {
 public:
  virtual ~Probe() = default;
  /// Rank 0 alone measures; nobody waits for it.
  virtual bool is_local() const { return false; }
  /// It measures an update: `before_update` comes first, and steps that are not applied are left out. The others
  /// measure the start of the run as well.
  virtual bool needs_update() const { return false; }

  /// Weights are the old ones; gradients of the masters are summed over ranks and target tokens.
  virtual void before_update(const TrainRun& /*run*/) {}
  /// After the step: the fields of its line. What ranks other than the first return is dropped.
  virtual nlohmann::ordered_json measure(const TrainRun& run) = 0;
};

/// What the settings of every probe have.
struct ProbeConfig {
  Cadence every = Cadence::of_steps(100);
};
/// Adds the keys of ProbeConfig.
inline void describe_probe(Fields& f, ProbeConfig& c) {
  f.field("every", c.every, "how often it measures", Rule{}.above(0));
}

struct ProbeEntry : Entry {
  static constexpr const char* kFamily = "probes";
  std::function<std::unique_ptr<Probe>(const ConfigObject& settings)> make;
  std::function<Cadence(const ConfigObject& settings)> every;
};

/// An entry whose probe P is made from `const C&`, C deriving from ProbeConfig.
template <class C, class P>
ProbeEntry& add_probe(Family<ProbeEntry>& family, std::string name, std::string summary, std::string paper) {
  auto& entry = family.add<C>(std::move(name), std::move(summary), std::move(paper));
  entry.make = with_settings<C>([](const C& c) -> std::unique_ptr<Probe> { return std::make_unique<P>(c); });
  entry.every = with_settings<C>([](const C& c) { return c.every; });
  return entry;
}

void register_all_probes(Family<ProbeEntry>& family);

}  // namespace ingot
