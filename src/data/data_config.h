#pragma once
// The section `data` of a config:
//
//   data:
//     train: {paths: [../text], documents: blank_line}        # text, JSONL (.gz, .zst), folders,
//     globs, token shards #  or  {sources: [{name: web, paths: […], weight: 3}, {name: books,
//     paths: […], weight: 1}]} validation: {fraction: 0.01}                            # or {paths:
//     […]}, or {sets: {news: {paths: […]}}} tokenizer: {type: sentencepiece, model_type: bpe,
//     vocab_size: 4096} seq_len: 256 reset_at_document: true

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/fields.h"
#include "data/tokenizer.h"

namespace ingot {

/// Where one document ends and the next begins within a text file. JSONL: one object a line,
/// whatever this says.
struct DocumentRule {
  enum class Kind { kFile, kLine, kBlankLine, kSeparator };
  Kind kind = Kind::kFile;
  std::string separator;  // kSeparator only; not part of any document
  bool operator==(const DocumentRule&) const = default;
};

enum class TextFormat { kAuto, kText, kJsonl };

/// Files and how to read them.
struct CorpusConfig {
  std::vector<std::string> paths;  // files, folders (recursive, sorted), globs
  DocumentRule documents;
  TextFormat format = TextFormat::kAuto;
  std::string text_key = "text";  // of a JSONL object
};
void describe(Fields& f, CorpusConfig& c);

/// One part of a mixture.
struct SourceConfig : CorpusConfig {
  std::string name;
  std::optional<double>
      weight;  // share of the samples, relative to the other sources; default: by number of tokens
};
void describe(Fields& f, SourceConfig& c);

struct TrainDataConfig : CorpusConfig {
  std::vector<SourceConfig> sources;  // instead of `paths`
};
void describe(Fields& f, TrainDataConfig& c);

struct ValidationConfig {
  std::optional<double> fraction;  // of the training documents, chosen by a hash of their text
  std::vector<std::string> paths;  // read like `train`
  NamedMap<CorpusConfig> sets;     // several named sets
};
void describe(Fields& f, ValidationConfig& c);

struct DataConfig {
  TrainDataConfig train;
  ValidationConfig validation;
  Variant<TokenizerEntry> tokenizer;
  std::int64_t seq_len = 0;
  bool reset_at_document = false;
  std::optional<std::string> cache;  // default: `data` in the run directory
  std::optional<std::int64_t> workers;
};
void describe(Fields& f, DataConfig& c);

/// Checks across fields that `describe` cannot express; opens no file. Throws ConfigError.
void check_data_config(const DataConfig& config);

}  // namespace ingot
