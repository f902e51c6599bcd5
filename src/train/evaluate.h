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
  std::optional<std::int64_t> bytes;  // of text that the targets stand for
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

/// One document as consecutive windows of `seq_len`, each token but the first scored once, with `seq_len` tokens of fresh
/// context a window. `token_bytes` may be empty.
EvaluationResult evaluate_ids(const LanguageModel& model, const std::vector<TokenId>& ids, std::int64_t seq_len,
                              const std::vector<std::int32_t>& token_bytes);

}  // namespace ingot
