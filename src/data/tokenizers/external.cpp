// Ids made elsewhere: a vocabulary size and, if documents are marked, the token that ends one. There is no text, so no
// bits per byte and no samples in words.

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "config/limits.h"
#include "config/problems.h"
#include "config/units.h"
#include "data/tokenizer.h"

namespace ingot {
namespace external {

struct ExternalConfig {
  Count vocab_size{0};
  std::optional<Count> eos;
};

void describe(Fields& f, ExternalConfig& c) {
  f.field("vocab_size", c.vocab_size, "ids in the shards are 0..vocab_size-1",
          Rule{}.required().at_least(1).at_most(limits::kVocabulary));
  f.field("eos", c.eos, "the id that ends a document (50256 in GPT-2's shards); default: none", Rule{}.at_least(0));
}

class ExternalTokenizer final : public Tokenizer {
 public:
  ExternalTokenizer(std::int64_t vocab_size, std::optional<TokenId> eos) : vocab_size_(vocab_size), eos_(eos) {}

  std::int64_t vocab_size() const override { return vocab_size_; }
  std::optional<TokenId> eos() const override { return eos_; }
  bool has_text() const override { return false; }
  std::unique_ptr<TextEncoder> encoder() const override { fail(); }
  std::string_view piece(TokenId) const override { fail(); }
  std::string serialize() const override {
    nlohmann::json json{{"type", "external"}, {"vocab_size", vocab_size_}};
    if (eos_) json["eos"] = *eos_;
    return json.dump() + "\n";
  }

 private:
  [[noreturn]] static void fail() {
    throw DataError("the tokenizer 'external' knows ids only: text needs the tokenizer that made the shards");
  }

  std::int64_t vocab_size_;
  std::optional<TokenId> eos_;
};

std::string wrong_eos(const ExternalConfig& c) {
  if (!c.eos || *c.eos < c.vocab_size) return "";
  return cat(static_cast<std::int64_t>(*c.eos), ", expected less than vocab_size (",
             static_cast<std::int64_t>(c.vocab_size), ")");
}

std::shared_ptr<const Tokenizer> make(const ExternalConfig& c) {
  if (const std::string wrong = wrong_eos(c); !wrong.empty()) throw ConfigError("data.tokenizer.eos: " + wrong);
  return std::make_shared<ExternalTokenizer>(
      c.vocab_size, c.eos ? std::optional<TokenId>(static_cast<TokenId>(c.eos->value)) : std::nullopt);
}

std::shared_ptr<const Tokenizer> load(std::string_view bytes, const std::string& name) {
  const JsonValue json = JsonValue::parse(bytes, {name, ExitCode::kData});
  const std::int64_t vocab_size = json.at("vocab_size").whole(1, INT32_MAX);
  ExternalConfig config{Count{vocab_size}, std::nullopt};
  if (const auto eos = json.find("eos")) config.eos = Count{eos->whole(0, vocab_size - 1)};
  return make(config);
}

}  // namespace external

void register_external(Family<TokenizerEntry>& family) {
  using namespace external;
  using Config = ExternalConfig;
  auto& entry = family.add<Config>("external", "Shards made elsewhere, of which there are only the ids.", "");
  entry.sample_bytes = [](const ConfigObject&) { return 0; };
  entry.planned_vocab_size =
      with_settings<Config>([](const Config& c) { return std::optional<std::int64_t>(c.vocab_size); });
  entry.make = with_settings<Config>([](const Config& c, const TextSource&) { return make(c); });
  entry.load = load;
  entry.check = with_settings<Config>([](const Config& c, Problems& problems, const std::string& path) {
    if (const std::string wrong = wrong_eos(c); !wrong.empty()) problems.add(path + ".eos", wrong);
  });
}

}  // namespace ingot
