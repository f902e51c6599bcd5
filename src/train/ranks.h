#pragma once
// What the ranks of a run tell each other: at the start, and after each step.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dist/world.h"
#include "train/resume.h"
#include "train/stop_requests.h"

namespace ingot {

/// "rank-00017": how files of one rank begin.
std::string rank_file_name(int rank);

/// What has to be the same on all ranks: the program, the config without its `free` fields, how to resume.
std::vector<std::pair<std::string, std::string>> must_agree(const RunConfig& config, const ResumeChoice& resume);

/// Seconds of one step on one rank.
struct RankTimes {
  double compute = 0;    // forward and backward
  double data_wait = 0;  // for batches
};

/// What a rank has to say after a step.
struct StepNews {
  StopReason stop = StopReason::kNone;
  bool log = false, evaluate = false, save = false;  // what is due; rank 0's word counts
  RankTimes times;
};

/// What all ranks make of it alike.
struct StepDecision {
  StopReason stop = StopReason::kNone;
  int stop_rank = 0;  // that asked
  bool log = false, evaluate = false, save = false;
  std::vector<RankTimes> times;  // by rank

  /// "SIGTERM to rank 3".
  std::string text() const;
};

StepDecision decide(World& world, const StepNews& news);

/// Sixteen hex digits of the weights on this rank: of the masters, or of the compute weights where masters are shared
/// out.
std::string weights_digest(const ParameterStore& store);

/// Throws DistributedError naming the ranks whose weights are not those of rank 0.
void check_equal_weights(World& world, const ParameterStore& store, std::int64_t step);

}  // namespace ingot
