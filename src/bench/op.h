#pragma once
// `bench op`: conformance, then times, of operations.

#include <optional>
#include <string>
#include <vector>

#include "bench/operation.h"
#include "bench/report.h"

namespace ingot {

struct OpBenchOptions {
  /// "rms_norm" (in any family), "norms/rms_norm", "attention/window" (a sample), "attention {num_heads: 8}"
  /// (settings), with * and ? ; empty: everything.
  std::vector<std::string> names;
  BenchSizes sizes;  // device and dtype follow from the two below
  DeviceKind device = DeviceKind::kAuto;
  Precision precision = Precision::kAuto;  // auto: what the machine multiplies faster
  int threads = 0;
  bool all_samples = false;
  TimingOptions timing;
};

struct OpBench {
  BenchReport report;
  /// Operations that disagree with their reference, and how: not timed.
  std::vector<std::pair<std::string, std::string>> failures;
};

/// Throws ConfigError for a name that nothing has.
OpBench bench_operations(const OpBenchOptions& options, const Families& families);

std::string op_bench_text(const OpBench& bench);

}  // namespace ingot
