#include "data/shards/settings_json.h"

#include <nlohmann/json.hpp>

#include "config/dump.h"

namespace ingot {

using nlohmann::json;

std::string tokenizer_settings(const Variant<TokenizerEntry>& tokenizer) {
  json j{{"type", tokenizer.name()}};
  const std::unique_ptr<ConfigObject> settings = tokenizer.settings().clone();
  for (const FlatField& field : flatten_fields([&settings](Fields& f) { settings->describe_fields(f); })) {
    j[field.path] = field.value;
  }
  return j.dump();
}

std::string corpus_settings(const CorpusConfig& corpus, OnBadRecord on_bad_record) {
  json documents = Codec<DocumentRule>::format(corpus.documents).text;
  if (corpus.documents.kind == DocumentRule::Kind::kSeparator) documents = {{"separator", corpus.documents.separator}};
  json j{{"paths", std::vector<std::string>(corpus.paths)},
         {"documents", documents},
         {"format", Codec<TextFormat>::format(corpus.format).text},
         {"text_key", corpus.text_key}};
  // Text that was read without an error is the same either way.
  if (on_bad_record == OnBadRecord::kSkip) j["on_bad_record"] = "skip";
  return j.dump();
}

}  // namespace ingot
