#pragma once
// samples/rank-00003.jsonl: which samples a rank used at which step, for those who must be able to prove it.

#include <cstdint>
#include <string>
#include <vector>

#include "train/run_append.h"

namespace ingot {

class SampleLog {
 public:
  SampleLog(const fs::path& run_dir, int rank, std::int64_t attempt);
  void add(const std::vector<std::int64_t>& samples);
  /// Writes {"attempt", "step", "samples"} and forgets the samples.
  void end_step(std::int64_t step);

 private:
  std::int64_t attempt_;
  std::vector<std::int64_t> samples_;
  AppendFile file_;
};

}  // namespace ingot
