#pragma once
// Text to token ids and back.
//
// Guaranteed by every tokenizer that has text:
//  - decode(encode(x)) == x for any bytes x, newlines, runs of spaces and invalid UTF-8 included.
//  Exceptions are said by
//    an error (`characters` knows only the code points it was trained on) or by a setting
//    (`byte_fallback: false`).
//  - decoding is the concatenation of `piece(id)`: the text of a token does not depend on its
//  neighbours, so the bytes
//    of any set of tokens can be counted. Special tokens have an empty piece.
//  - encode is a pure function: the same ids on every machine, thread and build.
//  - training is a pure function of the settings and the sequence of texts.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/variant.h"
#include "registry/family.h"

namespace ingot {

class Problems;

using TokenId = std::int32_t;

/// Encodes on one thread; may keep a cache, which never changes a result.
class TextEncoder {
 public:
  virtual ~TextEncoder() = default;
  /// Appends the ids of `text`; adds no special token. Throws DataError for text that the tokenizer
  /// cannot express.
  virtual void encode(std::string_view text, std::vector<TokenId>& ids) = 0;
};

/// Immutable after construction; all members may be called from several threads.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// Ids are 0..vocab_size()-1.
  virtual std::int64_t vocab_size() const = 0;
  /// The token that ends a document, if there is one.
  virtual std::optional<TokenId> eos() const = 0;
  /// The token that begins a document, if there is one. Training data does not contain it.
  virtual std::optional<TokenId> bos() const { return std::nullopt; }
  /// False for `external`: ids without text; `encoder` and `piece` then throw DataError.
  virtual bool has_text() const { return true; }
  /// The token that text without a piece becomes, if there is one: its own piece is not that text.
  virtual std::optional<TokenId> unknown() const { return std::nullopt; }

  virtual std::unique_ptr<TextEncoder> encoder() const = 0;
  /// The bytes that this token stands for; "" for special tokens. Throws DataError for an id out of
  /// range.
  virtual std::string_view piece(TokenId id) const = 0;
  /// The content of a `tokenizer.model` file, which `load_tokenizer` reads: sentencepiece's own
  /// model format, or JSON.
  virtual std::string serialize() const = 0;

  /// 32 hexadecimal digits (xxh3-128) of `serialize()`.
  std::string hash() const;
  std::vector<TokenId> encode(std::string_view text) const;
  std::string decode(std::span<const TokenId> ids) const;
};

/// What training a tokenizer sees: calls its argument once for each text, in a fixed order; may be
/// called several times. A text is a document or a part of a long one.
using TextSource = std::function<void(const std::function<void(std::string_view)>&)>;

/// A member of the family `tokenizers`.
struct TokenizerEntry : Entry {
  static constexpr const char* kFamily = "tokenizers";

  /// False if it needs no text to be made (bytes, external, file).
  bool trains = false;
  /// Bytes of text that training keeps in memory at most (a bounded sample of the training text); 0
  /// = sees all text once, in constant memory.
  std::function<std::int64_t(const ConfigObject& settings)> sample_bytes;
  /// Adds what is wrong with the settings together, beyond the limits of each; may be absent. `path` is where they lie.
  std::function<void(const ConfigObject& settings, Problems& problems, const std::string& path)> check;
  /// The vocabulary size as far as the settings alone tell it, for plans that open no data.
  std::function<std::optional<std::int64_t>(const ConfigObject& settings)> planned_vocab_size;
  /// Makes the tokenizer; `texts` is empty (no callable) if `trains` is false. Throws DataError,
  /// e.g. for a vocabulary larger than the text supports.
  std::function<std::shared_ptr<const Tokenizer>(const ConfigObject& settings, const TextSource& texts)> make;
  /// The inverse of Tokenizer::serialize. Throws DataError with `name` (a file) in the message.
  std::function<std::shared_ptr<const Tokenizer>(std::string_view bytes, const std::string& name)> load;
};

/// Reads what Tokenizer::serialize wrote; `name` is the file for messages. Throws DataError.
std::shared_ptr<const Tokenizer> load_tokenizer(const Family<TokenizerEntry>& family, std::string_view bytes,
                                                const std::string& name);

/// For each id the number of bytes of text it stands for: what bits per byte divides by; -1 for the
/// unknown token. Empty if the tokenizer has no text.
std::vector<std::int32_t> token_bytes(const Tokenizer& tokenizer);

void register_all_tokenizers(Family<TokenizerEntry>& family);

}  // namespace ingot
