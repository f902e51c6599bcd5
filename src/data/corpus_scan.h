#pragma once
// A first look at the text of a corpus: how many documents there are, and the text that a tokenizer is trained on.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/block_reader.h"
#include "data/progress.h"
#include "data/tokenizer.h"

namespace ingot {

/// Files and how they are read.
struct Corpus {
  std::vector<Segment> segments;
  DocumentRule documents;
  std::string text_key = "text";

  static Corpus find(const CorpusConfig& config);
};

/// Where the held-out part of a corpus that is a single document begins: the byte that leaves `fraction` of its text;
/// nullopt if there are more documents. Throws DataError if there is none, or if it is one JSON object.
std::optional<std::int64_t> single_document_split(const Corpus& corpus, double fraction);

/// Makes a tokenizer. If it is trained, it sees the documents of `corpora` that are not held out by `fraction`: all, or a
/// sample, within its limit of memory, that depends on the text alone. (A tokenizer without such a limit, `characters`,
/// sees the held-out text too, so that it can express it.)
std::shared_ptr<const Tokenizer> make_tokenizer(const Variant<TokenizerEntry>& tokenizer,
                                                const std::vector<Corpus>& corpora, double fraction,
                                                const ProgressCallback& progress);

}  // namespace ingot
