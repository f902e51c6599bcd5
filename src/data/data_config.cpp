#include "data/data_config.h"

#include <set>

#include "base/text.h"
#include "config/limits.h"

namespace ingot {
namespace {

struct RuleName {
  const char* name;
  DocumentRule::Kind kind;
};
constexpr RuleName kRuleNames[] = {{"file", DocumentRule::Kind::kFile},
                                   {"line", DocumentRule::Kind::kLine},
                                   {"blank_line", DocumentRule::Kind::kBlankLine}};

struct FormatName {
  const char* name;
  TextFormat format;
};
constexpr FormatName kFormatNames[] = {
    {"auto", TextFormat::kAuto}, {"text", TextFormat::kText}, {"jsonl", TextFormat::kJsonl}};

constexpr const char* kPathsDoc = "files, folders (all their files, sorted) and globs";
constexpr const char* kDocumentsDoc =
    "what a document is in a text file: file, line, blank_line or {separator: …}; JSONL has one object a line";
constexpr const char* kFormatDoc =
    "auto goes by the extension: .jsonl and .ndjson (also before .gz, .zst), .json if its first line is an object; "
    "else "
    "text";
constexpr const char* kTextKeyDoc = "the key of a JSONL object that holds the text";

}  // namespace

std::string Codec<DocumentRule>::expected() { return "file, line, blank_line or {separator: …}"; }

bool Codec<DocumentRule>::parse(const Scalar& scalar, DocumentRule& v) {
  for (const RuleName& entry : kRuleNames) {
    if (scalar.text == entry.name) return v = DocumentRule{entry.kind, ""}, true;
  }
  return false;
}

Scalar Codec<DocumentRule>::format(const DocumentRule& v) {
  for (const RuleName& entry : kRuleNames) {
    if (v.kind == entry.kind) return {entry.name};
  }
  return {};
}

const char* Codec<DocumentRule>::json_type() { return "string"; }
std::optional<double> Codec<DocumentRule>::number(const DocumentRule&) { return std::nullopt; }

void describe(Fields& f, DocumentRule& rule) {
  f.field("separator", rule.separator, "the text between two documents; it belongs to neither", Rule{}.required());
  if (!rule.separator.empty()) rule.kind = DocumentRule::Kind::kSeparator;
}

std::string Codec<TextFormat>::expected() { return "auto, text or jsonl"; }

bool Codec<TextFormat>::parse(const Scalar& scalar, TextFormat& v) {
  for (const FormatName& entry : kFormatNames) {
    if (scalar.text == entry.name) return v = entry.format, true;
  }
  return false;
}

Scalar Codec<TextFormat>::format(const TextFormat& v) {
  for (const FormatName& entry : kFormatNames) {
    if (v == entry.format) return {entry.name};
  }
  return {};
}

std::vector<std::string> Codec<TextFormat>::choices() {
  std::vector<std::string> names;
  for (const FormatName& entry : kFormatNames) names.emplace_back(entry.name);
  return names;
}

CorpusConfig CorpusPartConfig::resolved(const CorpusConfig& defaults) const {
  CorpusConfig corpus = defaults;
  corpus.paths = paths;
  if (documents) corpus.documents = *documents;
  if (format) corpus.format = *format;
  if (text_key) corpus.text_key = *text_key;
  return corpus;
}

namespace {

template <class Corpus>
void describe_reading(Fields& f, Corpus& c) {
  f.field("documents", c.documents, kDocumentsDoc);
  f.field("format", c.format, kFormatDoc);
  f.field("text_key", c.text_key, kTextKeyDoc);
}

}  // namespace

void describe(Fields& f, CorpusPartConfig& c) {
  f.field("paths", c.paths, kPathsDoc, Rule{}.path().required().free());
  describe_reading(f, c);
}

void describe(Fields& f, SourceConfig& c) {
  f.field("name", c.name, "in logs; part of the sample order", Rule{}.required());
  f.field("weight", c.weight, "share of the samples relative to the other sources; default: its number of windows",
          Rule{}.above(0));
  describe(f, static_cast<CorpusPartConfig&>(c));
}

void describe(Fields& f, TrainDataConfig& c) {
  f.field("paths", c.paths, "text, JSONL (both also .gz, .zst) or token shards: files, folders (sorted), globs",
          Rule{}.path().excludes({"sources"}).free());
  describe_reading(f, c);
  f.field("sources", c.sources, "a weighted mixture, instead of paths", Rule{}.excludes({"paths"}));
}

void describe(Fields& f, ValidationConfig& c) {
  f.field(
      "fraction", c.fraction,
      "share of the training documents to hold out, chosen by a hash of their text; of a single document its last part",
      Rule{}.above(0).below(1).excludes({"paths", "sets"}).numeric());
  f.field("paths", c.paths, "held-out files, read as data.train says",
          Rule{}.path().excludes({"fraction", "sets"}).free());
  f.field("sets", c.sets, "several held-out sets by name", Rule{}.excludes({"fraction", "paths"}).free());
}

void describe_on_bad_record(Fields& f, OnBadRecord& value) {
  f.choice("on_bad_record", value, {{"stop", OnBadRecord::kStop}, {"skip", OnBadRecord::kSkip}},
           "a document that is not UTF-8, a line that is no JSON object with text: an error, or left out, counted and "
           "reported");
}

void describe(Fields& f, DataConfig& c) {
  f.field("train", c.train, "what is trained on", Rule{}.required());
  f.field("validation", c.validation, "held-out text: fraction, paths or sets; default none");
  f.field("tokenizer", c.tokenizer, "how text becomes tokens", Rule{}.required());
  f.field("seq_len", c.seq_len, "tokens in a row, meta tokens excluded",
          Rule{}.required().at_least(1).at_most(limits::kLength));
  f.field(
      "reset_at_document", c.reset_at_document,
      "documents packed into one row do not see each other: each begins anew, from the token that ends the one before "
      "it");
  describe_on_bad_record(f, c.on_bad_record);
  f.field("cache", c.cache, "folder for tokenizers and shards made from paths; auto: data in the run directory",
          Rule{}.working_path().free());
  f.field("workers", c.workers, "threads that tokenise; auto: one per core",
          Rule{}.at_least(1).at_most(static_cast<double>(kMostWorkers)).layout());
}

void check_tokenizer_config(const Variant<TokenizerEntry>& tokenizer, Problems& problems, const std::string& path) {
  if (tokenizer.bound() && tokenizer.entry().check) tokenizer.entry().check(tokenizer.settings(), problems, path);
}

std::vector<std::string> validation_set_names(const DataConfig& config) {
  std::vector<std::string> names;
  const ValidationConfig& validation = config.validation;
  if (validation.fraction && !config.train.sources.empty()) {
    for (const SourceConfig& source : config.train.sources) names.push_back(source.name);
  } else if (validation.fraction || !validation.paths.empty()) {
    names.emplace_back("validation");
  }
  for (const auto& [name, set] : validation.sets) names.push_back(name);
  return names;
}

void check_data_config(const DataConfig& config, Problems& problems, const std::string& path) {
  const auto add = [&](const std::string& key, const std::string& message) { problems.add(path + key, message); };
  if (config.train.paths.empty() && config.train.sources.empty()) {
    add(".train", "no text, expected paths or sources");
  }
  std::set<std::string> names;
  for (std::size_t i = 0; i < config.train.sources.size(); ++i) {
    const SourceConfig& source = config.train.sources[i];
    const std::string key = cat(".train.sources.", i);
    if (!names.insert(source.name).second) add(key + ".name", "a second source named '" + source.name + "'");
    if (source.paths.empty()) add(key + ".paths", "no paths");
  }
  std::size_t weighted = 0;
  for (const SourceConfig& source : config.train.sources) weighted += source.weight.has_value();
  if (weighted != 0 && weighted != config.train.sources.size()) {
    add(".train.sources", "only some of them have a weight, expected all or none");
  }
  const ValidationConfig& validation = config.validation;
  for (const auto& [name, set] : validation.sets) {
    if (set.paths.empty()) add(".validation.sets." + name + ".paths", "no paths");
  }
  check_tokenizer_config(config.tokenizer, problems, path + ".tokenizer");
  if (config.train.documents.kind == DocumentRule::Kind::kSeparator && config.train.documents.separator.empty()) {
    add(".train.documents.separator", "an empty separator");
  }
}

}  // namespace ingot
