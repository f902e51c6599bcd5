#pragma once
// What a benchmark found: results under names, the machine, and how they compare with an earlier report.

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/files.h"
#include "bench/stats.h"
#include "recipe/run_config.h"

namespace ingot {

/// The machine as far as it decides times.
struct BenchMachine {
  DeviceKind device = DeviceKind::kCpu;
  std::string cpu;
  std::string gpu;  // "" unless it is used
  std::string instruction_set;
  int threads = 0;
  std::string blas;                           // of fp32 products on CPUs
  std::map<std::string, double> peak_gflops;  // by precision, those that were asked for: train/peak.h

  /// "AMD EPYC, 2 threads, OpenBLAS 0.3.21 (Zen)", or the GPU's name and the threads.
  std::string text() const;
  /// Measured the first time.
  double peak(Precision precision);
  /// What it multiplies faster in.
  Precision fastest_precision();
};

/// Sets LibTorch's threads (0: all cores) and the library of products, and keeps freed memory as training does.
/// `device` auto is replaced by what is there; throws ConfigError if it is not there.
BenchMachine prepare_machine(DeviceKind device, int threads, Blas blas = Blas::kAuto);
BenchMachine prepare_machine(const TrainSection& train);

/// A number of seconds under a name, and what else is known of it.
struct BenchResult {
  std::string name;
  TimeSummary seconds;
  nlohmann::ordered_json facts = nlohmann::ordered_json::object();
};

struct BenchReport {
  std::string kind;  // "op", "step", "decode"
  BenchMachine machine;
  nlohmann::ordered_json settings = nlohmann::ordered_json::object();  // what the times hold for
  std::vector<BenchResult> results;
  nlohmann::ordered_json details = nlohmann::ordered_json::object();  // not compared
};

nlohmann::ordered_json to_json(const TimeSummary& times);
nlohmann::ordered_json to_json(const BenchReport& report);

enum class Change { kSame, kFaster, kSlower, kNew, kMissing };

/// A result against the baseline's. Within `band` of the baseline's median it counts as unchanged.
struct ChangedResult {
  std::string name;
  double before = 0, now = 0;  // seconds
  double band = 0;             // relative
  Change change = Change::kSame;
};

/// The narrowest band: medians of a quiet machine differ by less.
inline constexpr double kLeastBand = 0.05;

/// Results of both, in the order of `report`, then what only the baseline has. The band is the baseline's interquartile
/// range over its median, at least kLeastBand. Throws ConfigError in one line if the baseline is of another kind,
/// machine or setting; `source` names it.
std::vector<ChangedResult> compare_with_baseline(const BenchReport& report, const nlohmann::json& baseline,
                                                 const std::string& source);
bool got_slower(const std::vector<ChangedResult>& changes);
std::string changes_text(const std::vector<ChangedResult>& changes);

/// Throws ConfigError if it is no report, or one of another CPU: before anything was measured in vain.
nlohmann::json read_baseline(const fs::path& path);

}  // namespace ingot
