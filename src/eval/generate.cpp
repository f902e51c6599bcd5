#include "eval/generate.h"

#include <ATen/core/TensorBody.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/full.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "base/error.h"
#include "base/random.h"
#include "objective/objective.h"

namespace ingot {

TokenId choose_token(const at::Tensor& logits, const GenerateOptions& options, double uniform) {
  if (options.temperature <= 0) return static_cast<TokenId>(logits.argmax().item<std::int64_t>());
  auto [sorted, order] = at::sort(logits.to(at::kCPU, at::kDouble), /*stable=*/true, /*dim=*/0, /*descending=*/true);
  auto count = sorted.size(0);
  if (options.top_k > 0) count = std::min(count, options.top_k);
  const auto probabilities = at::softmax(sorted.slice(0, 0, count).div(options.temperature), 0).contiguous();
  const double* p = probabilities.const_data_ptr<double>();
  std::int64_t kept = 0;
  double total = 0;
  while (kept < count && (kept == 0 || total < options.top_p)) total += p[kept++];
  double remaining = uniform * total;
  std::int64_t chosen = 0;
  while (chosen + 1 < kept && remaining >= p[chosen]) remaining -= p[chosen++];
  return static_cast<TokenId>(order[chosen].item<std::int64_t>());
}

std::vector<TokenId> sample_start(const Tokenizer& tokenizer, std::optional<TokenId> opener,
                                  const std::string& prompt) {
  auto start = tokenizer.encode(prompt);
  if (!start.empty()) return start;
  if (!opener) {
    throw ConfigError(
        "an empty prompt is the start of a document, but no token opens the documents of this run's data: expected a "
        "prompt");
  }
  return {*opener};
}

std::optional<std::int64_t> room_after(const LanguageModel& model, const std::vector<TokenId>& start) {
  const auto longest = model.max_document_length();
  if (!longest) return std::nullopt;
  return *longest - std::ssize(start) + 1;
}

std::vector<TokenId> generate(const LanguageModel& model, const std::vector<TokenId>& start, std::optional<TokenId> eos,
                              const GenerateOptions& options, const std::function<void(TokenId)>& on_token) {
  c10::NoGradGuard no_grad;
  auto state = model.begin_decode(1);
  const std::vector<std::int64_t> fed(start.begin(), start.end());
  auto hidden = model.prefill(at::tensor(fed, at::kLong).unsqueeze(0).to(model.device()), state);
  const auto head = model.head();
  RandomStream random(options.seed, "sample");
  std::vector<TokenId> out;
  const auto max_tokens = std::min(options.max_tokens, room_after(model, start).value_or(options.max_tokens));
  for (std::int64_t i = 0; i < max_tokens; ++i) {
    const auto scores = logits(hidden.select(1, hidden.size(1) - 1).select(0, 0), head);
    const auto token = choose_token(scores, options, random.uniform());
    if (options.stop_at_eos && eos && token == *eos) break;
    out.push_back(token);
    if (on_token) on_token(token);
    if (i + 1 < max_tokens)
      hidden = model.step(at::full({1, 1}, token, at::TensorOptions(at::kLong).device(model.device())), state);
  }
  return out;
}

}  // namespace ingot
