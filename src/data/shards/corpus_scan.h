#pragma once
// A first look at the text of a corpus: how many documents there are, and the text that a tokenizer is trained on.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "data/text/block_reader.h"
#include "data/tokenizer.h"

namespace ingot {

/// Files and how they are read.
struct Corpus {
  std::vector<Segment> segments;
  DocumentRule documents;
  std::string text_key = "text";
  TextFormat format = TextFormat::kAuto;
  OnBadRecord on_bad_record = OnBadRecord::kStop;

  static Corpus find(const CorpusConfig& config, OnBadRecord on_bad_record = OnBadRecord::kStop);
};

/// The text of a file that is one document, read as the training text is: unpacked, UTF-8, without a mark of byte
/// order. Throws DataError for what training would not read as one document: JSON lines, token shards, white space
/// alone.
std::string read_document(const fs::path& path);

/// Where the held-out part of a corpus that is a single document begins: the byte that leaves `fraction` of its text;
/// nullopt if there are more documents. Throws DataError if there is none, or if it is one JSON object.
std::optional<std::int64_t> single_document_split(const Corpus& corpus, double fraction);

/// Makes a tokenizer. If it is trained, it sees the documents of `corpora` that are not held out by `fraction`: all, or
/// a sample, within its limit of memory, that depends on the text alone. (A tokenizer without such a limit,
/// `characters`, sees the held-out text too, so that it can express it.)
std::shared_ptr<const Tokenizer> make_tokenizer(const Variant<TokenizerEntry>& tokenizer,
                                                const std::vector<Corpus>& corpora, double fraction,
                                                const ProgressCallback& progress);

}  // namespace ingot
