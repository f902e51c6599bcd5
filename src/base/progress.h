#pragma once
// How long-running work on data reports.

#include <cstdint>
#include <functional>
#include <string>

namespace ingot {

struct DataProgress {
  std::string phase;             // "reading", "training the tokenizer", "tokenising", "verifying"
  std::int64_t bytes_done = 0;   // of text, or of shards when verifying
  std::int64_t bytes_total = 0;  // 0 = not known (stdin, compressed files count their compressed size)
  double bytes_per_second = 0;
  double seconds_left = 0;  // 0 = not known
};

/// Called from one thread at a time, at most a few times a second. May be empty. It may throw to
/// stop the work.
using ProgressCallback = std::function<void(const DataProgress&)>;

}  // namespace ingot
