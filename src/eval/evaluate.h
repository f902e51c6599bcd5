#pragma once
// Held-out loss.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "data/data_module.h"
#include "dist/world.h"
#include "model/language_model.h"

namespace ingot {

struct EvaluationResult {
  std::string name;
  double loss = 0;  // nats per target token
  std::int64_t tokens = 0;
  std::optional<std::int64_t> bytes;  // of the text that the target tokens stand for; unknown without text
  bool stopped = false;               // on any rank before its share was done: the rest means nothing

  double perplexity() const;
  std::optional<double> bits_per_byte() const;
};

struct EvaluationOptions {
  std::int64_t rows = 8;                   // windows at once
  std::optional<std::int64_t> max_tokens;  // a fixed prefix of the set's fixed order
  bool reset_at_document = false;
  std::function<bool()> should_stop = {};  // asked before each batch; may be empty
};

/// The ranks of the world share the windows; all get the result.
EvaluationResult evaluate(const LanguageModel& model, const ValidationSet& set, const EvaluationOptions& options,
                          World& world);

/// Ids of one document as consecutive windows of `seq_len`, each but the first scored once, with `seq_len` tokens of
/// fresh context a window. No token is added. Bytes are those of the tokens' pieces.
EvaluationResult evaluate_ids(const LanguageModel& model, const std::vector<TokenId>& ids, std::int64_t seq_len,
                              const Tokenizer& tokenizer);

/// A text as one document: behind the token that opens documents (`opener`), if there is one, every token is scored,
/// and the bytes are those of the text. Without, the first token is not scored, nor are its bytes counted. The end of
/// the document is not scored: a text need not end there. Throws DataError if no token is left to score.
EvaluationResult evaluate_text(const LanguageModel& model, const std::string& text, std::optional<TokenId> opener,
                               std::int64_t seq_len, const Tokenizer& tokenizer);

}  // namespace ingot
