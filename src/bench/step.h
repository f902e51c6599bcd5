#pragma once
// `bench step`: whole training steps of a config on random tokens.

#include <optional>
#include <string>

#include "bench/report.h"
#include "data/sampling/batch.h"

namespace ingot {

struct StepBenchOptions {
  std::optional<std::int64_t> vocab_size;  // in place of the tokenizer's
  int steps = 10;
  int warm_up = 3;    // steps that do not count: memory is obtained, kernels are set up
  int profiled = 3;   // steps more for the tables; 0: none
  std::string trace;  // file for a Chrome trace of one more step; "": none
};

/// Rows of random tokens; with `documents`, several to a row.
Batch random_batch(std::int64_t rows, std::int64_t seq_len, std::int64_t vocab_size, bool documents,
                   std::uint64_t seed);

/// Throws ConfigError if neither the config nor the options say how large the vocabulary is. On a CPU the
/// tables tell operators and operations, on a GPU kernels.
BenchReport bench_step(const RunConfig& config, const StepBenchOptions& options, const Families& families);

std::string step_bench_text(const BenchReport& report);

}  // namespace ingot
