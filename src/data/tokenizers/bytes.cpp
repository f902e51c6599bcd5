// Bytes: the id of a byte is its value; 256 ends a document. Needs no training and knows every text.

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "data/tokenizer.h"

namespace ingot {
namespace bytes {

struct BytesConfig {};

void describe(Fields&, BytesConfig&) {}

constexpr TokenId kEnd = 256;

class Encoder final : public TextEncoder {
 public:
  void encode(std::string_view text, std::vector<TokenId>& ids) override {
    ids.reserve(ids.size() + text.size());
    for (const char byte : text) ids.push_back(static_cast<unsigned char>(byte));
  }
};

class BytesTokenizer final : public Tokenizer {
 public:
  BytesTokenizer() {
    for (std::size_t i = 0; i < bytes_.size(); ++i) bytes_[i] = static_cast<char>(i);
  }

  std::int64_t vocab_size() const override { return kEnd + 1; }
  std::optional<TokenId> eos() const override { return kEnd; }
  std::unique_ptr<TextEncoder> encoder() const override { return std::make_unique<Encoder>(); }
  std::string_view piece(TokenId id) const override {
    if (id < 0 || id > kEnd) throw DataError(cat("token ", id, " is out of range, expected 0..", kEnd));
    return id == kEnd ? std::string_view() : std::string_view(bytes_).substr(static_cast<std::size_t>(id), 1);
  }
  std::string serialize() const override { return nlohmann::json{{"type", "bytes"}}.dump() + "\n"; }

 private:
  std::string bytes_ = std::string(256, '\0');
};

}  // namespace bytes

void register_bytes(Family<TokenizerEntry>& family) {
  using namespace bytes;
  auto& entry = family.add<BytesConfig>("bytes", "One token for each byte, and one that ends a document.", "");
  entry.sample_bytes = [](const ConfigObject&) { return 0; };
  entry.planned_vocab_size = [](const ConfigObject&) { return std::optional<std::int64_t>(kEnd + 1); };
  entry.make = [](const ConfigObject&, const TextSource&) { return std::make_shared<const BytesTokenizer>(); };
  entry.load = [](std::string_view, const std::string&) { return std::make_shared<const BytesTokenizer>(); };
}

}  // namespace ingot
