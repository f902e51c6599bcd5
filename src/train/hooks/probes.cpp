// When probes measure, and where their values go.

#include "base/text.h"
#include "recipe/probe.h"
#include "train/cadence.h"
#include "train/hooks/all.h"

namespace ingot {
namespace {

class Probes final : public Hook {
 public:
  explicit Probes(TrainRun& run) : run_(run) {}
  std::string name() const override { return "probes"; }

  /// `path` is where the config asks for it. Throws ConfigError if the ranks could not agree on when it measures.
  void add(const std::string& path, const std::string& name, std::unique_ptr<Probe> probe, const Cadence& every) {
    const CadenceTimer timer(every, run_.setup.durations);
    if (every.wall_time() != nullptr && (probe->needs_update() || !probe->is_local())) {
      throw ConfigError(cat(path, ".every: the probe '", name,
                            "' takes all ranks at the same step, expected steps, tokens or a share of the run"));
    }
    probes_.push_back({name, std::move(probe), timer});
  }
  bool empty() const { return probes_.empty(); }

  void begin() override {
    if (run_.counters.step != 0) return;
    for (auto& p : probes_) {
      if (!p.probe->needs_update()) measure(p);
    }
  }
  void before_update() override {
    for (auto& p : probes_) {
      p.ready = p.probe->needs_update() && (run_.counters.step + 1) % p.timer.steps() == 0;
      if (p.ready) p.probe->before_update(run_);
    }
  }
  void after_step(const StepReport& report) override {
    for (auto& p : probes_) {
      const bool due = p.timer.due(run_.counters.step);
      if (p.probe->needs_update() ? p.ready && report.result.applied : due && !report.rewound) measure(p);
      p.ready = false;
    }
  }

 private:
  struct Item {
    std::string name;
    std::unique_ptr<Probe> probe;
    CadenceTimer timer;
    bool ready = false;  // it has seen what was before the update
  };

  void measure(Item& item) {
    if (item.probe->is_local() && !run_.record.active()) return;
    run_.record.probe(run_.counters, item.name, item.probe->measure(run_));
  }

  TrainRun& run_;
  std::vector<Item> probes_;
};

}  // namespace

std::unique_ptr<Hook> make_probes(TrainRun& run) {
  auto hook = std::make_unique<Probes>(run);
  const auto& log = run.config.log;
  for (std::size_t i = 0; i < log.probes.size(); ++i) {
    const auto& variant = log.probes[i];
    hook->add(cat("log.probes.", i), variant.name(), variant.entry().make(variant.settings()),
              variant.entry().every(variant.settings()));
  }
  if (log.stream) {
    const auto stream = make_variant<ProbeEntry>(run.families, "stream_mean_square");
    hook->add("log.stream", stream.name(), stream.entry().make(stream.settings()), *log.stream);
  }
  return hook->empty() ? nullptr : std::move(hook);
}

}  // namespace ingot
