#include "train/hooks/spike_ladder.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/json.h"
#include "train/hooks/all.h"

namespace ingot {
namespace {

/// A run whose loss stands still has no spread to measure by.
constexpr double kLeastSpread = 1e-3;  // of the mean

}  // namespace

double SpikeLadder::limit() const {
  const auto count = static_cast<double>(losses_.size());
  if (static_cast<std::int64_t>(losses_.size()) < settings_.window) return std::numeric_limits<double>::infinity();
  double mean = 0, squares = 0;
  for (const double loss : losses_) mean += loss / count;
  for (const double loss : losses_) squares += (loss - mean) * (loss - mean) / count;
  return mean + settings_.sigma * std::max(std::sqrt(squares), kLeastSpread * std::abs(mean));
}

StepVerdict SpikeLadder::judge(double loss, double grad_norm) {
  if (std::isfinite(loss) && std::isfinite(grad_norm) && loss <= limit()) {
    losses_.push_back(loss);
    if (static_cast<std::int64_t>(losses_.size()) > settings_.window) losses_.pop_front();
    if (++calm_ >= settings_.window) troubles_ = 0;
    return StepVerdict::kApply;
  }
  calm_ = 0;
  ++troubles_;
  if (troubles_ <= settings_.skips) return StepVerdict::kSkip;
  return troubles_ <= settings_.skips + settings_.rewinds ? StepVerdict::kRewind : StepVerdict::kStop;
}

nlohmann::json SpikeLadder::state() const { return {{"losses", losses_}, {"troubles", troubles_}, {"calm", calm_}}; }

void SpikeLadder::restore(const nlohmann::json& state, Restored how) {
  if (how == Restored::kRewound) return;
  const auto value = JsonValue::of(state, {"state.json of the checkpoint: spikes", ExitCode::kCheckpoint});
  losses_.clear();
  for (const auto& loss : value.at("losses").items()) losses_.push_back(loss.number());
  troubles_ = value.at("troubles").whole(0);
  calm_ = value.at("calm").whole(0);
}

std::unique_ptr<Hook> make_spike_ladder(TrainRun& run) {
  const auto& settings = run.config.train.spikes;
  return settings ? std::make_unique<SpikeLadder>(*settings) : nullptr;
}

}  // namespace ingot
