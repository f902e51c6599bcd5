#pragma once
// `bench decode`: tokens one at a time, after contexts of given lengths.

#include <optional>
#include <string>
#include <vector>

#include "bench/report.h"
#include "model/language_model.h"

namespace ingot {

struct DecodeBenchOptions {
  std::vector<std::int64_t> contexts = {256, 4096};  // tokens before the first timed one
  std::int64_t batch = 1;
  std::int64_t tokens = 64;                // timed in each context
  std::optional<std::int64_t> vocab_size;  // of a config, in place of the tokenizer's
  DeviceKind device = DeviceKind::kAuto;   // of a run; a config says it itself
};

/// `source`: a run or checkpoint directory, or a config, which gets random weights. Decodes greedily, head included.
BenchReport bench_decode(const fs::path& source, const std::vector<std::string>& overrides,
                         const DecodeBenchOptions& options, const Families& families);

std::string decode_bench_text(const BenchReport& report);

}  // namespace ingot
