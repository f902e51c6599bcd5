#pragma once
// Who asks a run to stop.

#include <string>

#include "base/clock.h"
#include "dist/world.h"
#include "recipe/run_config.h"

namespace ingot {

/// Signals may come to any rank, the rest is rank 0's to see.
enum class StopReason { kNone, kSigterm, kSigint, kSigusr1, kSighup, kStopFile, kTimeLimit };
std::string stop_text(StopReason reason);

class StopRequests {
 public:
  /// The time limit counts from here.
  StopRequests(const RunConfig& config, const World& world);

  /// What asks this rank to stop.
  StopReason here() const;
  /// Whether any rank was asked, as far as this one knows: for ending work early.
  bool anywhere() const;
  /// "SIGTERM", or what another rank was asked by.
  std::string text() const;

 private:
  fs::path stop_file_;
  std::optional<Seconds> time_limit_;
  const World& world_;
  Clock::time_point started_ = Clock::now();
};

}  // namespace ingot
