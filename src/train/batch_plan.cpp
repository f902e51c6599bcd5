#include "train/batch_plan.h"

#include <algorithm>
#include <iterator>

namespace ingot {

BatchPlan::BatchPlan(const TrainSection& train, std::int64_t seq_len, DurationContext durations) : seq_len_(seq_len) {
  // A stage that ends where it begins has no update, and the next one takes its place.
  const auto add = [](std::vector<Stage>& stages, const Stage& stage) {
    if (!stages.empty() && stages.back().begin == stage.begin) stages.pop_back();
    stages.push_back(stage);
  };
  Stage next{0, 0, 0};
  for (const auto& [batch, until] : train.batch_warmup) {
    next.value = batch.sequences(seq_len);
    add(rows_, next);
    std::int64_t end = 0;
    if (until.unit == Duration::Unit::kSteps) {
      end = until.steps({});
    } else {
      const auto missing = std::max<std::int64_t>(0, rows_of(until, durations) - next.rows_before);
      end = next.begin + (missing + next.value - 1) / next.value;
    }
    end = std::max(end, next.begin);
    next.rows_before += (end - next.begin) * next.value;
    next.begin = end;
  }
  next.value = train.global_batch.sequences(seq_len);
  add(rows_, next);

  std::int64_t begin = 0;
  for (const auto& [length, until] : train.context_warmup) {
    add(lengths_, {begin, length, 0});
    const auto end = until.unit == Duration::Unit::kSteps ? until.steps({}) : update_after(rows_of(until, durations));
    begin = std::max(begin, end);
  }
  add(lengths_, {begin, seq_len, 0});
}

const BatchPlan::Stage& BatchPlan::at(const std::vector<Stage>& stages, std::int64_t update) {
  const auto after = std::upper_bound(stages.begin(), stages.end(), update,
                                      [](std::int64_t value, const Stage& stage) { return value < stage.begin; });
  return *std::prev(after);
}

std::int64_t BatchPlan::rows_of(const Duration& duration, DurationContext durations) const {
  durations.tokens_per_step = static_cast<double>(seq_len_);
  durations.total_steps.reset();
  return duration.steps(durations);
}

std::int64_t BatchPlan::rows_before(std::int64_t update) const {
  const auto& stage = at(rows_, update);
  return stage.rows_before + (update - stage.begin) * stage.value;
}

std::int64_t BatchPlan::update_after(std::int64_t rows) const {
  const auto after = std::upper_bound(rows_.begin(), rows_.end(), rows,
                                      [](std::int64_t value, const Stage& stage) { return value < stage.rows_before; });
  const auto& stage = *std::prev(after);
  return stage.begin + (rows - stage.rows_before + stage.value - 1) / stage.value;
}

std::int64_t BatchPlan::updates(const Duration& duration, const DurationContext& durations, std::int64_t first) const {
  const bool counted = !grows() || duration.unit == Duration::Unit::kSteps;
  const auto steps =
      counted ? duration.steps(durations) : update_after(rows_before(first) + rows_of(duration, durations)) - first;
  return std::max<std::int64_t>(1, steps);
}

Batch cut_rows(Batch batch, std::int64_t length) {
  if (batch.seq_len == length) return batch;
  const auto pieces = batch.seq_len / length;
  std::vector<std::int64_t> samples;
  samples.reserve(batch.samples.size() * static_cast<std::size_t>(pieces));
  // Noise is drawn by these numbers: no two pieces of an update share one.
  for (const auto sample : batch.samples) {
    for (std::int64_t i = 0; i < pieces; ++i) samples.push_back(sample * pieces + i);
  }
  batch.samples = std::move(samples);
  batch.rows *= pieces;
  batch.seq_len = length;
  for (auto row = batch.documents.begin(); row != batch.documents.end(); row += length) {
    const auto first = *row;
    for (auto id = row; id != row + length; ++id) *id -= first;
  }
  return batch;
}

}  // namespace ingot
