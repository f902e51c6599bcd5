#pragma once
// A run of one process for tests of probes, without a loop.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "support/temp_dir.h"
#include "train/families.h"
#include "train/samples.h"
#include "train/train_run.h"

namespace ingot::testing {

class ProbeBench {
 public:
  explicit ProbeBench(const std::vector<std::string>& overrides)
      : config_(tiny_config(families_, overrides)),
        record_(dir_.path() / "run", true),
        run_(config_, families_, world_, record_) {
    run_.setup = allocated_setup(config_, families_, 257);
    run_.config = run_.setup.config;
    run_.step = std::make_unique<TrainStep>(run_.setup, world_);
  }
  TrainRun& run() { return run_; }
  /// One step on random tokens, with `probe` around its update.
  void step(Probe& probe) {
    run_.step->accumulate(random_batch(2, 16, 257, 3), true);
    run_.step->finish(++run_.counters.updates, [&](double, double) {
      probe.before_update(run_);
      return true;
    });
  }
  std::unique_ptr<Probe> make(const std::string& name) {
    const auto variant = make_variant<ProbeEntry>(families_, name);
    return variant.entry().make(variant.settings());
  }

 private:
  Families families_ = make_families();
  TempDir dir_;
  RunConfig config_;
  World world_;
  RunRecord record_;
  TrainRun run_;
};

}  // namespace ingot::testing
