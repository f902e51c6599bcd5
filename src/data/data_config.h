#pragma once
// The section `data` of a config:
//
//   data:
//     train: {paths: [../text], documents: blank_line}   # text, JSONL (both also .gz, .zst), folders, globs, token
//                                                        shards
//     validation: {fraction: 0.01}
//     tokenizer: {type: sentencepiece, model_type: bpe, vocab_size: 4096}
//     seq_len: 256
//     reset_at_document: true
//
// A mixture, and several held-out sets:
//
//     train:
//       sources:
//         - {name: web, paths: [web/*.jsonl.zst], weight: 3}
//         - {name: books, paths: [books], documents: file, weight: 1}
//     validation:
//       sets: {news: {paths: [news.jsonl]}, code: {paths: [code]}}

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/fields.h"
#include "config/problems.h"
#include "config/units.h"
#include "data/tokenizer.h"

namespace ingot {

/// Where one document ends and the next begins in a text file: `file`, `line`, `blank_line`, `{separator: "<|end|>"}`.
/// Separators belong to no document, and no document is empty.
struct DocumentRule {
  enum class Kind { kFile, kLine, kBlankLine, kSeparator };
  Kind kind = Kind::kFile;
  std::string separator;  // kSeparator only
  bool operator==(const DocumentRule&) const = default;
};
void describe(Fields& f, DocumentRule& rule);
INGOT_DECLARE_CODEC(DocumentRule);

/// kAuto: by extension in any case (`.jsonl`, `.ndjson`, `.jsonlines`, also before `.gz` and `.zst`), `.json` by its
/// first line, else text.
enum class TextFormat { kAuto, kText, kJsonl };

template <>
struct Codec<TextFormat> {
  static std::string expected();
  static bool parse(const Scalar& scalar, TextFormat& v);
  static Scalar format(const TextFormat& v);
  static const char* json_type() { return "string"; }
  static std::optional<double> number(const TextFormat&) { return std::nullopt; }
  static std::vector<std::string> choices();
};

/// What happens to a record of text that cannot be used.
enum class OnBadRecord { kStop, kSkip };
/// The field `on_bad_record`.
void describe_on_bad_record(Fields& f, OnBadRecord& value);

/// Files and how to read them.
struct CorpusConfig {
  OneOrMany<std::string> paths;  // files, folders (recursive, sorted), globs
  DocumentRule documents;        // of text; JSONL has one object a line
  TextFormat format = TextFormat::kAuto;
  std::string text_key = "text";  // of a JSONL object
};

/// Files of a source or a held-out set; what is not said is as in `data.train`.
struct CorpusPartConfig {
  OneOrMany<std::string> paths;
  std::optional<DocumentRule> documents;
  std::optional<TextFormat> format;
  std::optional<std::string> text_key;

  CorpusConfig resolved(const CorpusConfig& defaults) const;
};
void describe(Fields& f, CorpusPartConfig& c);

/// One part of a mixture.
struct SourceConfig : CorpusPartConfig {
  std::string name;
  std::optional<double> weight;  // share of the samples relative to the other sources
};
void describe(Fields& f, SourceConfig& c);

struct TrainDataConfig : CorpusConfig {
  std::vector<SourceConfig> sources;  // instead of `paths`
};
void describe(Fields& f, TrainDataConfig& c);

struct ValidationConfig {
  std::optional<double> fraction;   // of the training documents, chosen by a hash of their text
  OneOrMany<std::string> paths;     // one set, named `validation`, read as `data.train` says
  NamedMap<CorpusPartConfig> sets;  // several named sets
};
void describe(Fields& f, ValidationConfig& c);

struct DataConfig {
  TrainDataConfig train;
  ValidationConfig validation;
  Variant<TokenizerEntry> tokenizer;
  Count seq_len{0};
  bool reset_at_document = false;
  OnBadRecord on_bad_record = OnBadRecord::kStop;
  OrAuto<std::string> cache;  // auto: `data` in the run directory
  OrAuto<Count> workers;      // auto: one per core
};
void describe(Fields& f, DataConfig& c);

/// The most threads that may tokenise.
constexpr std::int64_t kMostWorkers = 1024;

/// Checks across the fields of a tokenizer's settings. `path` is where they lie.
void check_tokenizer_config(const Variant<TokenizerEntry>& tokenizer, Problems& problems, const std::string& path);

/// The names of the held-out sets that a config asks for, in the order in which they are scored.
std::vector<std::string> validation_set_names(const DataConfig& config);

/// Checks across fields that `describe` cannot express; opens no file. `path` is where the section lies.
void check_data_config(const DataConfig& config, Problems& problems, const std::string& path = "data");

}  // namespace ingot
