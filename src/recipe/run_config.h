#pragma once
// The whole config of a run, section by section.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "config/units.h"
#include "data/data_config.h"
#include "device/blas.h"
#include "dist/wire.h"
#include "model/model_config.h"
#include "objective/objective.h"
#include "optim/optim_config.h"
#include "params/weights_config.h"
#include "recipe/checkpoint_config.h"
#include "recipe/probe.h"

namespace ingot {

struct RunSection {
  std::string name = "run";
  std::string dir;  // default runs/<name>, against the working directory
  std::int64_t seed = 1;
};
void describe(Fields& f, RunSection& c);

enum class Precision { kAuto, kFloat32, kBfloat16 };
enum class DeviceKind { kAuto, kCpu, kCuda };
enum class StreamType { kFloat32, kBfloat16 };
/// What happens when loss or gradients are not finite; the update is never applied.
enum class OnNonFinite { kSkip, kStop };
enum class StartLoad { kWeights, kAll };

/// Where a new run stands at its start in something that the checkpoint counts: `begin`, `continue` (where the
/// checkpoint stands), or a number of what counts as done.
struct StartPosition {
  std::optional<std::int64_t> at = 0;  // absent: where the checkpoint stands
  bool operator==(const StartPosition&) const = default;
};
INGOT_DECLARE_CODEC(StartPosition);

/// Growth in depth: which sub-layers of a checkpoint those of a deeper model begin with (train/growth.h).
enum class ExpandRule { kStack, kInterleave, kLinear };
/// What a branch begins with that takes the weights of a sub-layer which stands elsewhere in the model already.
enum class ExpandOutput { kCopy, kZero };
struct Expand {
  ExpandRule rule = ExpandRule::kStack;  // required
  ExpandOutput output = ExpandOutput::kCopy;
};
void describe(Fields& f, Expand& c);

struct StartFrom {
  std::string path;
  StartLoad load = StartLoad::kWeights;
  OrAuto<StartPosition> data;  // samples. The start of a run puts numbers in place of what is said of the checkpoint
  StartPosition schedule;      // updates
  std::optional<Expand> expand;
};
void describe(Fields& f, StartFrom& c);

/// Losses that leap (train/spikes.h).
struct SpikeSettings {
  std::int64_t window = 128;
  double sigma = 6;
  std::int64_t skips = 2;
  std::int64_t rewinds = 1;
};
void describe(Fields& f, SpikeSettings& c);

/// A smaller batch at the beginning of a run, or shorter pieces of its rows. Of several the next begins where one ends.
struct BatchStage {
  BatchSize batch;
  Duration until;
};
void describe(Fields& f, BatchStage& c);
struct ContextStage {
  std::int64_t length = 0;
  Duration until;
};
void describe(Fields& f, ContextStage& c);

struct TrainSection {
  Duration duration;       // required
  BatchSize global_batch;  // required
  std::vector<BatchStage> batch_warmup;
  std::vector<ContextStage> context_warmup;
  OrAuto<std::int64_t> micro_batch;  // sequences
  Precision precision = Precision::kAuto;
  DeviceKind device = DeviceKind::kAuto;
  OrAuto<std::int64_t> threads;
  Blas blas = Blas::kAuto;
  Recompute recompute = Recompute::kNone;
  StreamType stream = StreamType::kFloat32;
  Variant<ObjectiveEntry> objective{"cross_entropy"};
  double z_loss = 0;
  OnNonFinite on_nonfinite = OnNonFinite::kSkip;
  std::int64_t max_skipped = 10;  // in a row, then the run has diverged
  std::optional<SpikeSettings> spikes;
  std::optional<StartFrom> start_from;
  std::optional<Seconds> time_limit;
};
void describe(Fields& f, TrainSection& c);

struct EvaluationSection {
  std::optional<Cadence> every;
  std::optional<Count> tokens;  // of each set; absent: all of it
  std::vector<std::string> prompts;
  std::int64_t sample_tokens = 64;
};
void describe(Fields& f, EvaluationSection& c);

struct LogSection {
  Cadence every = Cadence::of_steps(10);
  bool tensorboard = true;
  bool samples = false;
  std::optional<Cadence> stream;
  std::vector<Variant<ProbeEntry>> probes;
};
void describe(Fields& f, LogSection& c);

/// What the ranks share out: nothing, or masters and optimizer state.
enum class Sharding { kNone, kOptimizer, kGradients };

struct DistributedSection {
  Sharding shard = Sharding::kNone;
  ByteSize bucket{25 << 20};
  Wire wire = Wire::kFloat32;
  Reduction reduction = Reduction::kAuto;
  Seconds timeout{600};
  std::optional<std::int64_t> check_every = 1000;  // steps
};
void describe(Fields& f, DistributedSection& c);

struct RunConfig {
  RunSection run;
  DataConfig data;
  ModelConfig model;
  OptimConfig optim;
  WeightsConfig weights;
  TrainSection train;
  EvaluationSection evaluation;
  CheckpointConfig checkpoint;
  LogSection log;
  DistributedSection distributed;
  /// No part of the config: where keys stand that can be judged only once the length of the run, the model or a
  /// checkpoint is known, by dotted path.
  std::map<std::string, Location> places;
};
void describe(Fields& f, RunConfig& c);

/// The sample of the run's first row, and the place in its schedules of the first update.
std::int64_t first_sample(const RunConfig& config);
std::int64_t first_position(const RunConfig& config);

}  // namespace ingot
