#pragma once
// Turns counts into reports, a few a second.

#include <chrono>
#include <cstdint>
#include <exception>
#include <string>

#include "base/progress.h"

namespace ingot {

class ProgressMeter {
 public:
  /// `total` 0: not known. `start`: what was done before, which does not count for the speed.
  ProgressMeter(const ProgressCallback& callback, std::string phase, std::int64_t total, std::int64_t start = 0)
      : callback_(callback), start_(start), began_(Clock::now()) {
    progress_.phase = std::move(phase);
    progress_.bytes_total = total;
    progress_.bytes_done = start;
  }
  /// The end of the phase is always reported, unless an error ends it.
  ~ProgressMeter() noexcept(false) {
    if (std::uncaught_exceptions() == exceptions_ && callback_) report();
  }
  ProgressMeter(const ProgressMeter&) = delete;
  ProgressMeter& operator=(const ProgressMeter&) = delete;

  void set(std::int64_t done) {
    progress_.bytes_done = done;
    const auto now = Clock::now();
    if (!callback_ || now - reported_ < std::chrono::milliseconds(200)) return;
    reported_ = now;
    report();
  }
  void add(std::int64_t bytes) { set(progress_.bytes_done + bytes); }

 private:
  using Clock = std::chrono::steady_clock;

  void report() {
    const double seconds = std::chrono::duration<double>(Clock::now() - began_).count();
    const auto done = static_cast<double>(progress_.bytes_done - start_);
    progress_.bytes_per_second = seconds > 0 ? done / seconds : 0;
    const auto left = static_cast<double>(progress_.bytes_total - progress_.bytes_done);
    progress_.seconds_left = done > 0 && left > 0 ? left / progress_.bytes_per_second : 0;
    callback_(progress_);
  }

  const ProgressCallback& callback_;
  DataProgress progress_;
  std::int64_t start_;
  Clock::time_point began_;
  Clock::time_point reported_{};
  int exceptions_ = std::uncaught_exceptions();
};

}  // namespace ingot
