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

/// The tokens that a sample goes on from: those of the prompt; for an empty one, which is the start of a document, the
/// token that opens documents. Throws ConfigError for an empty prompt where there is no such token.
std::vector<TokenId> sample_start(const Tokenizer& tokenizer, std::optional<TokenId> opener, const std::string& prompt);

/// Tokens that can follow `start` by the model's positions (the last one is not fed); absent: any number.
std::optional<std::int64_t> room_after(const LanguageModel& model, const std::vector<TokenId>& start);

/// Ids after `start`, which is not empty, as many as the model has positions for. `on_token` (may be empty) sees each
/// id as it comes.
std::vector<TokenId> generate(const LanguageModel& model, const std::vector<TokenId>& start, std::optional<TokenId> eos,
                              const GenerateOptions& options, const std::function<void(TokenId)>& on_token = {});

}  // namespace ingot
