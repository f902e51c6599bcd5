#include "eval/evaluate.h"

#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "eval/batch_tensors.h"
#include "objective/objective.h"

namespace ingot {

double EvaluationResult::perplexity() const { return std::exp(loss); }

std::optional<double> EvaluationResult::bits_per_byte() const {
  if (!bytes || *bytes == 0) return std::nullopt;
  return loss * static_cast<double>(tokens) / std::log(2.0) / static_cast<double>(*bytes);
}

namespace {

/// What windows add up to.
struct Sums {
  double nats = 0;
  std::int64_t tokens = 0;
  std::optional<double> bytes = 0.0;  // unknown if they are for any window
  bool stopped = false;
};

/// Over the ranks.
Sums add_over_ranks(const Sums& mine, World& world) {
  Sums sums;
  for (const auto& values : world.all_gather({mine.nats, static_cast<double>(mine.tokens), mine.bytes.value_or(0),
                                              mine.bytes ? 1.0 : 0.0, mine.stopped ? 1.0 : 0.0})) {
    sums.nats += values[0];
    sums.tokens += static_cast<std::int64_t>(values[1]);
    sums.bytes = sums.bytes && values[3] != 0 ? std::optional(*sums.bytes + values[2]) : std::nullopt;
    sums.stopped = sums.stopped || values[4] != 0;
  }
  return sums;
}

EvaluationResult result_of(const std::string& name, const Sums& sums) {
  EvaluationResult result;
  result.name = name;
  result.tokens = sums.tokens;
  result.stopped = sums.stopped;
  result.loss = sums.tokens > 0 ? sums.nats / static_cast<double>(sums.tokens) : 0;
  if (sums.bytes) result.bytes = std::llround(*sums.bytes);
  return result;
}

}  // namespace

EvaluationResult evaluate(const LanguageModel& model, const ValidationSet& set, const EvaluationOptions& options,
                          World& world) {
  c10::NoGradGuard no_grad;
  Sums sums;
  const auto windows = set.windows(options.max_tokens);
  for (auto first = world.rank() * options.rows; first < windows; first += world.size() * options.rows) {
    if (options.should_stop && options.should_stop()) {
      sums.stopped = true;
      break;
    }
    const auto batch = set.make_batch(first, std::min(options.rows, windows - first));
    const auto tensors = to_tensors(batch, options.reset_at_document, model.device());
    const auto hidden = model.forward(tensors.tokens, tensors.documents, false);
    sums.nats += token_losses(hidden, model.head(), tensors.targets).sum(at::kDouble).item<double>();
    sums.tokens += batch.target_count;
    const auto bytes = set.target_bytes(batch);
    sums.bytes = sums.bytes && bytes ? std::optional(*sums.bytes + *bytes) : std::nullopt;
  }
  return result_of(set.name(), add_over_ranks(sums, world));
}

EvaluationResult evaluate_ids(const LanguageModel& model, const std::vector<TokenId>& ids, std::int64_t seq_len,
                              const Tokenizer& tokenizer) {
  c10::NoGradGuard no_grad;
  const auto token_bytes = ingot::token_bytes(tokenizer);
  Sums sums;
  if (token_bytes.empty()) sums.bytes.reset();
  const auto count = static_cast<std::int64_t>(ids.size());
  for (std::int64_t first = 0; first + 1 < count; first += seq_len) {
    const auto length = std::min(seq_len, count - 1 - first);
    const std::vector<std::int64_t> window(ids.begin() + first, ids.begin() + first + length + 1);
    const auto all = at::tensor(window, at::kLong).unsqueeze(0).to(model.device());
    const auto hidden = model.forward(all.slice(1, 0, length), {}, false);
    sums.nats += token_losses(hidden, model.head(), all.slice(1, 1)).sum(at::kDouble).item<double>();
    sums.tokens += length;
    for (std::int64_t i = 1; i <= length && sums.bytes; ++i) {
      const auto bytes = token_bytes[static_cast<std::size_t>(window[static_cast<std::size_t>(i)])];
      sums.bytes = bytes >= 0 ? std::optional(*sums.bytes + bytes) : std::nullopt;
    }
  }
  return result_of("text", sums);
}

EvaluationResult evaluate_text(const LanguageModel& model, const std::string& text, std::optional<TokenId> opener,
                               std::int64_t seq_len, const Tokenizer& tokenizer) {
  auto ids = tokenizer.encode(text);
  auto bytes = static_cast<std::int64_t>(text.size());
  if (opener) {
    ids.insert(ids.begin(), *opener);
  } else if (!ids.empty()) {
    bytes -= std::ssize(tokenizer.piece(ids.front()));
  }
  if (ids.size() < 2) throw DataError(opener ? "a text without tokens" : "fewer than two tokens, nothing to score");
  auto result = evaluate_ids(model, ids, seq_len, tokenizer);
  result.bytes = bytes;
  return result;
}

}  // namespace ingot
