// Characters: the code points of the training text in ascending order, then, if wanted, a token that ends a document.
// Text with another character is an error, which names it.

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "config/units.h"
#include "data/text/utf8.h"
#include "data/tokenizer.h"

namespace ingot {
namespace characters {

struct CharactersConfig {
  bool eos = true;
  OrAuto<Count> vocab_size;
};

void describe(Fields& f, CharactersConfig& c) {
  f.field("eos", c.eos, "a token that ends a document; false: documents are joined without a mark");
  f.field("vocab_size", c.vocab_size,
          "the number of ids, where it must be known before the text is read; auto: as found",
          Rule{}.at_least(1).at_most(0x110000 + 1));
}

class Encoder final : public TextEncoder {
 public:
  explicit Encoder(const std::vector<char32_t>& characters) : characters_(characters) {
    ascii_.fill(-1);
    for (char32_t c = 0; c < ascii_.size(); ++c) ascii_[c] = find(c);
  }

  void encode(std::string_view text, std::vector<TokenId>& ids) override {
    ids.reserve(ids.size() + text.size());
    while (!text.empty()) {
      const std::size_t length = code_point_length(text);
      if (length == 0) throw DataError("text that is not UTF-8, which the tokenizer 'characters' cannot express");
      const char32_t c = decode_code_point(text, length);
      const TokenId id = c < ascii_.size() ? ascii_[c] : find(c);
      if (id < 0) throw DataError(unknown(text.substr(0, length), c));
      ids.push_back(id);
      text.remove_prefix(length);
    }
  }

 private:
  TokenId find(char32_t c) const {
    const auto at = std::lower_bound(characters_.begin(), characters_.end(), c);
    return at == characters_.end() || *at != c ? -1 : static_cast<TokenId>(at - characters_.begin());
  }
  static std::string unknown(std::string_view character, char32_t c) {
    char code[16];
    std::snprintf(code, sizeof code, "U+%04X", static_cast<unsigned>(c));
    const std::string shown = c < 0x20 ? std::string() : " '" + std::string(character) + "'";
    return cat("the character ", code, shown, " does not occur in the training text of the tokenizer 'characters'");
  }

  const std::vector<char32_t>& characters_;
  std::array<TokenId, 128> ascii_;
};

class CharactersTokenizer final : public Tokenizer {
 public:
  CharactersTokenizer(std::vector<char32_t> characters, bool has_eos)
      : characters_(std::move(characters)), has_eos_(has_eos) {
    for (const char32_t c : characters_) {
      pieces_.emplace_back();
      append_code_point(pieces_.back(), c);
    }
    if (has_eos_) pieces_.emplace_back();
  }

  std::int64_t vocab_size() const override { return static_cast<std::int64_t>(pieces_.size()); }
  std::optional<TokenId> eos() const override {
    return has_eos_ ? std::optional<TokenId>(static_cast<TokenId>(characters_.size())) : std::nullopt;
  }
  std::unique_ptr<TextEncoder> encoder() const override { return std::make_unique<Encoder>(characters_); }
  std::string_view piece(TokenId id) const override {
    if (id < 0 || id >= vocab_size()) {
      throw DataError(cat("token ", id, " is out of range, expected 0..", vocab_size() - 1));
    }
    return pieces_[static_cast<std::size_t>(id)];
  }
  std::string serialize() const override {
    std::string text;
    for (const std::string& piece : pieces_) text += piece;
    return nlohmann::json{{"type", "characters"}, {"characters", text}, {"eos", has_eos_}}.dump() + "\n";
  }

 private:
  std::vector<char32_t> characters_;
  bool has_eos_;
  std::vector<std::string> pieces_;
};

/// Adds the code points of `text`; the readers have checked that it is UTF-8.
void collect(std::string_view text, std::set<char32_t>& characters) {
  std::array<bool, 128> ascii{};
  while (!text.empty()) {
    const std::size_t length = code_point_length(text);
    if (length == 0) throw DataError("text that is not UTF-8, which the tokenizer 'characters' cannot express");
    const char32_t c = decode_code_point(text, length);
    if (c >= ascii.size() || !ascii[c]) characters.insert(c);
    if (c < ascii.size()) ascii[c] = true;
    text.remove_prefix(length);
  }
}

std::shared_ptr<const Tokenizer> train(const CharactersConfig& c, const TextSource& texts) {
  std::set<char32_t> characters;
  texts([&characters](std::string_view text) { collect(text, characters); });
  if (characters.empty()) throw DataError("no text to take the characters from");
  auto tokenizer =
      std::make_shared<CharactersTokenizer>(std::vector<char32_t>(characters.begin(), characters.end()), c.eos);
  if (!c.vocab_size.is_auto() && c.vocab_size.value() != tokenizer->vocab_size()) {
    throw DataError(cat("data.tokenizer.vocab_size: ", static_cast<std::int64_t>(c.vocab_size.value()),
                        ", but the text has ", characters.size(), " characters",
                        c.eos ? " and one more token ends a document" : "", ", expected auto or ",
                        tokenizer->vocab_size()));
  }
  return tokenizer;
}

std::shared_ptr<const Tokenizer> load(std::string_view bytes, const std::string& name) {
  const JsonValue json = JsonValue::parse(bytes, {name, ExitCode::kData});
  const auto eos = json.find("eos");
  std::set<char32_t> characters;
  collect(json.at("characters").text(), characters);
  return std::make_shared<CharactersTokenizer>(std::vector<char32_t>(characters.begin(), characters.end()),
                                               eos && eos->flag());
}

}  // namespace characters

void register_characters(Family<TokenizerEntry>& family) {
  using namespace characters;
  using Config = CharactersConfig;
  auto& entry = family.add<Config>("characters", "One token for each character of the training text.",
                                   "As in char-rnn, Karpathy 2015");
  entry.trains = true;
  entry.sample_bytes = [](const ConfigObject&) { return 0; };
  entry.planned_vocab_size = with_settings<Config>([](const Config& c) {
    return c.vocab_size.is_auto() ? std::nullopt : std::optional<std::int64_t>(c.vocab_size.value());
  });
  entry.make = with_settings<Config>([](const Config& c, const TextSource& texts) { return train(c, texts); });
  entry.load = load;
}

}  // namespace ingot
