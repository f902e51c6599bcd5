#pragma once
// The line that shows how far a run is; on a terminal only.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/progress.h"

namespace ingot {

struct ProgressNumbers {
  std::int64_t step = 0;
  std::int64_t total_steps = 0;
  double loss = 0;
  double tokens_per_second = 0;
  std::optional<double> mfu;
  double seconds_left = 0;
};

/// "[#####.....] 120/400 loss 4.213  5,321 tok/s  mfu 12 %  1 min 20 s left", at most `width` characters.
std::string progress_text(const ProgressNumbers& numbers, int width);

/// "tokenising  12.0 MiB of 40.0 MiB  8.1 MiB/s  3.5 s left".
std::string progress_text(const DataProgress& progress);

class ProgressLine {
 public:
  /// Silent unless stderr is a terminal.
  ProgressLine();
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  /// Redraws at most ten times a second.
  void show(const ProgressNumbers& numbers);
  /// Shows any text, as often.
  void show(const std::string& text);
  /// Takes the line away, before something else is written.
  void clear();

 private:
  bool may_draw();
  void draw(const std::string& text);
  bool enabled_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace ingot
