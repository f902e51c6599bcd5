#include "train/evaluate.h"

#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "objective/objective.h"
#include "train/step.h"

namespace ingot {

double EvaluationResult::perplexity() const { return std::exp(loss); }

std::optional<double> EvaluationResult::bits_per_byte() const {
  if (!bytes || *bytes == 0) return std::nullopt;
  return loss * static_cast<double>(tokens) / std::log(2.0) / static_cast<double>(*bytes);
}

namespace {

/// Sums over the ranks; bytes are unknown if they are on any.
void add_over_ranks(EvaluationResult& result, double& nats, World& world) {
  const auto all =
      world.all_gather({nats, static_cast<double>(result.tokens), static_cast<double>(result.bytes.value_or(0)),
                        result.bytes ? 1.0 : 0.0, result.stopped ? 1.0 : 0.0});
  nats = 0;
  result.tokens = 0;
  std::int64_t bytes = 0;
  bool known = true;
  for (const auto& values : all) {
    nats += values[0];
    result.tokens += static_cast<std::int64_t>(values[1]);
    bytes += static_cast<std::int64_t>(values[2]);
    known = known && values[3] != 0;
    result.stopped = result.stopped || values[4] != 0;
  }
  result.bytes.reset();
  if (known) result.bytes = bytes;
}

}  // namespace

EvaluationResult evaluate(const LanguageModel& model, const ValidationSet& set, const EvaluationOptions& options,
                          World& world) {
  c10::NoGradGuard no_grad;
  EvaluationResult result;
  result.name = set.name();
  result.bytes = 0;
  const auto windows = set.windows(options.max_tokens);
  double nats = 0;
  for (auto first = world.rank() * options.rows; first < windows; first += world.size() * options.rows) {
    if (options.should_stop && options.should_stop()) {
      result.stopped = true;
      break;
    }
    const auto batch = set.make_batch(first, std::min(options.rows, windows - first));
    const auto tensors = to_tensors(batch, options.reset_at_document, model.device());
    const auto hidden = model.forward(tensors.tokens, tensors.documents, false);
    nats += token_losses(hidden, model.head(), tensors.targets).sum(at::kDouble).item<double>();
    result.tokens += batch.target_count;
    const auto bytes = set.target_bytes(batch);
    if (bytes && result.bytes) {
      *result.bytes += *bytes;
    } else {
      result.bytes.reset();
    }
  }
  add_over_ranks(result, nats, world);
  result.loss = result.tokens > 0 ? nats / static_cast<double>(result.tokens) : 0;
  return result;
}

EvaluationResult evaluate_ids(const LanguageModel& model, const std::vector<TokenId>& ids, std::int64_t seq_len,
                              const std::vector<std::int32_t>& token_bytes) {
  c10::NoGradGuard no_grad;
  EvaluationResult result;
  result.name = "text";
  double nats = 0;
  std::int64_t bytes = 0;
  const auto count = static_cast<std::int64_t>(ids.size());
  for (std::int64_t first = 0; first + 1 < count; first += seq_len) {
    const auto length = std::min(seq_len, count - 1 - first);
    const std::vector<std::int64_t> window(ids.begin() + first, ids.begin() + first + length + 1);
    const auto all = at::tensor(window, at::kLong).unsqueeze(0).to(model.device());
    const auto hidden = model.forward(all.slice(1, 0, length), {}, false);
    nats += token_losses(hidden, model.head(), all.slice(1, 1)).sum(at::kDouble).item<double>();
    result.tokens += length;
    if (token_bytes.empty()) continue;
    for (std::int64_t i = 1; i <= length; ++i)
      bytes += token_bytes[static_cast<std::size_t>(window[static_cast<std::size_t>(i)])];
  }
  if (!token_bytes.empty()) result.bytes = bytes;
  result.loss = result.tokens > 0 ? nats / static_cast<double>(result.tokens) : 0;
  return result;
}

}  // namespace ingot
