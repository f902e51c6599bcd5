#pragma once
// Sampling text in step form: the state after the prompt moves by one token at a time.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/tokenizer.h"
#include "model/language_model.h"

namespace ingot {

struct GenerateOptions {
  std::int64_t max_tokens = 128;
  double temperature = 1;  // 0: the most likely token
  std::int64_t top_k = 0;  // 0: all
  double top_p = 1;        // smallest set of tokens that holds this probability
  std::uint64_t seed = 1;
  bool stop_at_eos = true;
};

/// Chooses a token from fp32 logits [V]; `uniform` in [0, 1) decides.
TokenId choose_token(const at::Tensor& logits, const GenerateOptions& options, double uniform);

/// Tokens that can follow the prompt by the model's positions (the last one is not fed); absent: any number. An empty prompt
/// counts as one token.
std::optional<std::int64_t> room_after(const LanguageModel& model, const std::vector<TokenId>& prompt);

/// Ids after the prompt, as many as the model has positions for. An empty prompt starts from the end-of-document token.
/// `on_token` (may be empty) sees each id as it comes.
std::vector<TokenId> generate(const LanguageModel& model, const std::vector<TokenId>& prompt,
                              std::optional<TokenId> eos, const GenerateOptions& options,
                              const std::function<void(TokenId)>& on_token = {});

/// Text after `prompt`.
std::string generate_text(const LanguageModel& model, const Tokenizer& tokenizer, const std::string& prompt,
                          const GenerateOptions& options);

}  // namespace ingot
