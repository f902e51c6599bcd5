#include "data/tokenizer.h"

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "data/shards/checksum.h"

namespace ingot {

std::string Tokenizer::hash() const { return hash128(serialize()); }

std::vector<TokenId> Tokenizer::encode(std::string_view text) const {
  std::vector<TokenId> ids;
  encoder()->encode(text, ids);
  return ids;
}

std::string Tokenizer::decode(std::span<const TokenId> ids) const {
  std::string text;
  for (const TokenId id : ids) text += piece(id);
  return text;
}

std::shared_ptr<const Tokenizer> load_tokenizer(const Family<TokenizerEntry>& family, std::string_view bytes,
                                                const std::string& name) {
  if (bytes.empty()) throw DataError(name + ": an empty file, expected a tokenizer");
  // Everything but sentencepiece's binary format is JSON that names its type.
  if (bytes.front() != '{') return family.at("sentencepiece").load(bytes, name);
  const JsonValue json = JsonValue::parse(bytes, {name, ExitCode::kData});
  if (!json.has("type")) {
    throw DataError(name + ": not a tokenizer, expected a sentencepiece model or JSON with the key 'type'");
  }
  const std::string type = json.at("type").text();
  if (family.find(type) == nullptr) {
    throw DataError(name + ": a tokenizer of unknown type '" + type + "'" + did_you_mean(type, family.names()));
  }
  return family.at(type).load(bytes, name);
}

std::vector<std::int32_t> token_bytes(const Tokenizer& tokenizer) {
  std::vector<std::int32_t> bytes;
  if (!tokenizer.has_text()) return bytes;
  for (TokenId id = 0; id < tokenizer.vocab_size(); ++id) {
    bytes.push_back(id == tokenizer.unknown() ? -1 : static_cast<std::int32_t>(tokenizer.piece(id).size()));
  }
  return bytes;
}

}  // namespace ingot
