#include "train/spikes.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/json.h"

namespace ingot {
namespace {

/// A run whose loss stands still has no spread to measure by.
constexpr double kLeastSpread = 1e-3;  // of the mean

}  // namespace

void describe(Fields& f, SpikeSettings& c) {
  f.field("window", c.window, "applied steps whose losses tell what is usual", Rule{}.at_least(8).at_most(1'000'000));
  f.field("sigma", c.sigma, "standard deviations above the mean that make a spike", Rule{}.above(0));
  f.field("skips", c.skips, "spikes that are skipped before the run goes back", Rule{}.at_least(0));
  f.field("rewinds", c.rewinds, "times that the run goes back to the last checkpoint, passing over the batches since",
          Rule{}.at_least(0));
}

double SpikeGuard::limit() const {
  const auto count = static_cast<double>(losses_.size());
  if (static_cast<std::int64_t>(losses_.size()) < settings_.window) return std::numeric_limits<double>::infinity();
  double mean = 0, squares = 0;
  for (const double loss : losses_) mean += loss / count;
  for (const double loss : losses_) squares += (loss - mean) * (loss - mean) / count;
  return mean + settings_.sigma * std::max(std::sqrt(squares), kLeastSpread * std::abs(mean));
}

StepVerdict SpikeGuard::judge(double loss, double grad_norm) {
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

nlohmann::json SpikeGuard::state() const { return {{"losses", losses_}, {"troubles", troubles_}, {"calm", calm_}}; }

void SpikeGuard::restore(const nlohmann::json& state) {
  const auto value = JsonValue::of(state, {"state.json of the checkpoint: spikes", ExitCode::kCheckpoint});
  losses_.clear();
  for (const auto& loss : value.at("losses").items()) losses_.push_back(loss.number());
  troubles_ = value.at("troubles").whole(0);
  calm_ = value.at("calm").whole(0);
}

}  // namespace ingot
