#include "train/memory_plan.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "device/gpu.h"
#include "device/machine.h"
#include "device/memory_room.h"
#include "dist/reducer.h"
#include "ops/linear_cross_entropy/linear_cross_entropy.h"

namespace ingot {

namespace {

/// Larger micro-batches gain nothing.
constexpr std::int64_t kMaxCpuMicroBatchTokens = 8192;
constexpr std::int64_t kMaxGpuMicroBatchTokens = 65536;
constexpr std::int64_t kMostRows = 1 << 20;
constexpr double kUsableShare = 0.9;  // of the available memory: the rest is for evaluation and what others take

/// Peak of what a micro-batch of `rows` sequences holds beside the store and the optimizer.
double activation_peak(const TrainSetup& setup, const ModelCosts& costs, std::int64_t rows) {
  const auto tokens = static_cast<double>(rows * setup.config.data.seq_len);
  double kept = costs.frame.kept.at(tokens), peak = costs.frame.forward_peak.at(tokens);
  for (const int kind : costs.kind) {
    const auto& part = costs.kinds[static_cast<std::size_t>(kind)];
    peak = std::max({peak, kept + part.forward_peak.at(tokens)});
    kept += part.kept.at(tokens);
    peak = std::max(peak, kept);
  }
  const ops::LinearHead head = {{}, {}, setup.vocab_size, setup.scales_logits()};
  const auto& config = setup.config;
  peak = std::max(peak, kept + static_cast<double>(ops::linear_cross_entropy_bytes(
                                   rows * config.data.seq_len, config.model.d_model, head, setup.compute_dtype(),
                                   config.train.device == DeviceKind::kCuda)));
  for (auto kind = costs.kind.rbegin(); kind != costs.kind.rend(); ++kind) {
    const auto& part = costs.kinds[static_cast<std::size_t>(*kind)];
    kept -= part.kept.at(tokens);
    peak = std::max(peak, kept + part.backward_peak.at(tokens));
  }
  return peak;
}

/// Of the rank that holds most: what it owns, and others' parts of the buckets that are filled or on their way.
std::int64_t shared_gradient_bytes(const TrainSetup& setup) {
  const auto& shards = *setup.shards;
  std::int64_t most = 0;
  for (std::size_t rank = 0; rank < static_cast<std::size_t>(setup.world_size); ++rank) {
    std::int64_t owned = 0;
    std::vector<std::int64_t> others;  // elements, by bucket
    for (std::size_t b = 0; b < shards.buckets().size(); ++b) {
      const auto mine = sizes_of(shards.bounds(b))[rank];
      owned += mine;
      others.push_back(shards.buckets()[b].numel() - mine);
    }
    std::sort(others.begin(), others.end(), std::greater<>());
    others.resize(std::min(others.size(), kBucketsOnTheWay + 1));
    most = std::max(most, std::accumulate(others.begin(), others.end(), owned));
  }
  return most * static_cast<std::int64_t>(c10::elementSize(setup.store->options().master_dtype));
}

}  // namespace

MemoryPlan plan_memory(const TrainSetup& setup, const ModelCosts* costs, std::int64_t rows) {
  const auto store = setup.store->memory();
  MemoryPlan plan;
  plan.weights = store.weights;
  plan.masters = store.masters;
  plan.gradients = shares_gradients(setup) ? std::min(store.gradients, shared_gradient_bytes(setup)) : store.gradients;
  plan.optimizer = setup.optimizer->state_bytes();
  if (costs != nullptr) {
    plan.activations = static_cast<std::int64_t>(activation_peak(setup, *costs, rows));
    plan.program = costs->program_bytes;
  }
  // Beside the masters, during an evaluation and while a checkpoint is made.
  const std::int64_t others = setup.optimizer->has_evaluation_weights() ? plan.masters : 0;
  plan.activations = std::max(plan.activations, others);
  const bool copies = setup.config.checkpoint.async && setup.config.train.device != DeviceKind::kCuda;
  if (copies) plan.checkpoint = plan.masters + others + plan.optimizer;
  return plan;
}

MemoryPlan plan_memory(const TrainSetup& setup) {
  return plan_memory(setup, setup.costs ? &*setup.costs : nullptr, setup.micro_batch);
}

std::int64_t available_memory(const TrainSetup& setup) {
  return setup.config.train.device == DeviceKind::kCuda ? gpu_info().free_bytes : memory_use().available;
}

std::int64_t useful_rows(const TrainSetup& setup) {
  const auto tokens =
      setup.config.train.device == DeviceKind::kCuda ? kMaxGpuMicroBatchTokens : kMaxCpuMicroBatchTokens;
  return std::clamp<std::int64_t>(tokens / setup.config.data.seq_len, 1, setup.rows_per_rank());
}

std::int64_t fitting_rows(const TrainSetup& setup, const ModelCosts& costs) {
  const double room = kUsableShare * static_cast<double>(available_memory(setup) + held_memory(setup));
  const auto fits = [&](std::int64_t rows) {
    return static_cast<double>(plan_memory(setup, &costs, rows).total()) <= room;
  };
  std::int64_t rows = 0, step = 1;
  while (fits(rows + step) && step < kMostRows) step *= 2;
  for (; step > 0; step /= 2) {
    if (fits(rows + step)) rows += step;
  }
  return rows;
}

std::int64_t choose_micro_batch(const TrainSetup& setup, const ModelCosts& costs) {
  auto rows = std::min(useful_rows(setup), fitting_rows(setup, costs));
  while (rows > 1 && setup.rows_per_rank() % rows != 0) --rows;
  return std::max<std::int64_t>(rows, 1);
}

std::int64_t held_memory(const TrainSetup& setup) {
  return setup.config.train.device == DeviceKind::kCuda ? 0 : memory_use().resident;
}

void check_memory(const TrainSetup& setup) {
  if (!setup.costs || setup.config.train.device == DeviceKind::kCuda) return;
  const MemoryPlan plan = plan_memory(setup);
  const std::int64_t least = plan.total() - plan.activations - plan.checkpoint;
  const MemoryRoom room = memory_room();
  const std::int64_t all = room.bytes + held_memory(setup);
  const auto bytes = [](std::int64_t count) { return format_bytes(static_cast<double>(count)); };
  if (least > all) {
    throw OutOfMemoryError(cat("the model and its optimizer need ", bytes(least), ", but ", room.limit, " leaves ",
                               bytes(all), " (see `ingot plan`)"));
  }
  if (plan.total() <= all) return;
  log::warning(cat("a micro-batch of ", setup.micro_batch, " may not fit: training needs about ", bytes(plan.total()),
                   ", but ", room.limit, " leaves ", bytes(all),
                   "; a process that takes more is killed without a word"));
}

double step_seconds(const TrainSetup& setup, const ModelCosts& costs) {
  double per_token = costs.frame.seconds_per_token + costs.head_seconds_per_token;
  for (const int kind : costs.kind) per_token += costs.kinds[static_cast<std::size_t>(kind)].seconds_per_token;
  return per_token * static_cast<double>(setup.tokens_per_rank()) + costs.update_seconds;
}

}  // namespace ingot
