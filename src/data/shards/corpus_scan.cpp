#include "data/shards/corpus_scan.h"

#include <algorithm>
#include <cmath>
#include <queue>

#include "base/error.h"
#include "base/random.h"
#include "base/text.h"
#include "data/progress_meter.h"
#include "data/shards/dataset.h"
#include "data/shards/shard_builder.h"
#include "data/text/document_text.h"
#include "data/text/utf8.h"

namespace ingot {
namespace {

constexpr std::size_t kSampleUnit = std::size_t{1} << 14;

/// Calls `use` for every part of every document until it returns false. Bad records that are skipped are passed over
/// here in silence: the shards' making reports them.
void for_each_part(const Corpus& corpus, ProgressMeter* meter, std::int64_t read_before,
                   const std::function<bool(const TextBlock&, const DocumentPart&)>& use) {
  BlockReader reader(corpus.segments, corpus.documents);
  std::function<void(const BadRecord&)> use_bad;
  if (corpus.on_bad_record == OnBadRecord::kSkip) use_bad = [](const BadRecord&) {};
  bool goes_on = true;
  for (TextBlock block; goes_on && reader.next(block);) {
    for_each_document(
        block, corpus.segments[block.segment], corpus.documents, corpus.text_key,
        [&](const DocumentPart& part) { goes_on = goes_on && use(block, part); }, use_bad);
    if (meter != nullptr) meter->set(read_before + reader.bytes_read());
  }
}

std::int64_t total_bytes(const Corpus& corpus) { return BlockReader(corpus.segments, corpus.documents).bytes_total(); }

/// Keeps a choice of texts of at most `budget` bytes: those with the smallest random numbers.
class Sample {
 public:
  explicit Sample(std::int64_t budget) : budget_(budget), random_(0, "tokenizer sample") {}

  void add(std::string_view text) {
    const Item item{random_.next(), count_++, {}};
    const auto size = static_cast<std::int64_t>(text.size());
    if (bytes_ + size > budget_ && !items_.empty() && item.number > items_.front().number) return;
    items_.push_back(item);
    items_.back().text = text;
    bytes_ += size;
    std::push_heap(items_.begin(), items_.end(), Item::less);
    while (bytes_ > budget_ && items_.size() > 1) {
      std::pop_heap(items_.begin(), items_.end(), Item::less);
      bytes_ -= static_cast<std::int64_t>(items_.back().text.size());
      items_.pop_back();
    }
  }

  /// In the order of the corpus.
  std::vector<std::string> take() {
    std::sort(items_.begin(), items_.end(), [](const Item& a, const Item& b) { return a.index < b.index; });
    std::vector<std::string> texts;
    for (Item& item : items_) texts.push_back(std::move(item.text));
    return texts;
  }

 private:
  struct Item {
    std::uint64_t number;
    std::int64_t index;
    std::string text;
    static bool less(const Item& a, const Item& b) { return a.number < b.number; }
  };
  std::int64_t budget_;
  RandomStream random_;
  std::int64_t count_ = 0;
  std::int64_t bytes_ = 0;
  std::vector<Item> items_;  // a heap, the largest number in front
};

/// Adds a text in pieces that are small against the budget.
void add_pieces(std::string_view text, Sample& sample) {
  while (!text.empty()) {
    const std::size_t length = text.size() > kSampleUnit ? cut_position(text, kSampleUnit) : text.size();
    sample.add(text.substr(0, length));
    text.remove_prefix(length);
  }
}

std::vector<std::string> sample_corpora(const std::vector<Corpus>& corpora, double fraction, std::int64_t budget,
                                        const ProgressCallback& progress) {
  std::int64_t total = 0, before = 0;
  for (const Corpus& corpus : corpora) total += total_bytes(corpus);
  ProgressMeter meter(progress, "reading", total);
  Sample sample(budget);
  for (const Corpus& corpus : corpora) {
    const std::optional<std::int64_t> split = fraction > 0 ? single_document_split(corpus, fraction) : std::nullopt;
    bool held_out = false;
    for_each_part(corpus, &meter, before, [&](const TextBlock&, const DocumentPart& part) {
      if (part.begins) held_out = !split && is_held_out(part.text, fraction);
      std::string_view text = part.text;
      if (split) {
        text = text.substr(
            0, utf8_boundary(text, static_cast<std::size_t>(std::max<std::int64_t>(*split - part.offset, 0))));
      }
      if (!held_out) add_pieces(text, sample);
      return !split || part.offset < *split;
    });
    before += total_bytes(corpus);
  }
  return sample.take();
}

}  // namespace

Corpus Corpus::find(const CorpusConfig& config, OnBadRecord on_bad_record) {
  return {find_segments(config), config.documents, config.text_key, config.format, on_bad_record};
}

std::string read_document(const fs::path& path) {
  CorpusConfig config;
  config.paths.push_back(path.string());
  const Corpus corpus = Corpus::find(config, OnBadRecord::kStop);
  if (corpus.segments.size() != 1) throw DataError("'" + path.string() + "' is not one file, expected a text file");
  const Segment& segment = corpus.segments.front();
  if (segment.is_jsonl) {
    throw DataError(segment.file.path.string() + " holds JSON lines, each a document, expected plain text");
  }
  if (!shard_files({segment.file}).empty()) {
    throw DataError(segment.file.path.string() + " holds tokens, expected text");
  }
  std::string text;
  for_each_part(corpus, nullptr, 0,
                [&text](const TextBlock&, const DocumentPart& part) { return text += part.text, true; });
  if (is_blank(text)) throw DataError(segment.file.path.string() + ": byte 0: white space alone, expected text");
  warn_of_json(corpus.segments, corpus.format);
  return text;
}

std::optional<std::int64_t> single_document_split(const Corpus& corpus, double fraction) {
  std::int64_t documents = 0, first = 0, bytes = 0;
  bool is_jsonl = false;
  for_each_part(corpus, nullptr, 0, [&](const TextBlock& block, const DocumentPart& part) {
    if (part.begins && ++documents > 1) return false;
    if (part.begins) first = part.offset;
    bytes = part.offset + static_cast<std::int64_t>(part.text.size()) - first;
    is_jsonl = corpus.segments[block.segment].is_jsonl;
    return true;
  });
  if (documents == 0) {
    const fs::path path = corpus.segments.empty() ? "" : corpus.segments.front().file.path;
    throw DataError(path.string() + ": byte 0: white space alone, expected text");
  }
  if (documents > 1) return std::nullopt;
  if (is_jsonl) {
    throw DataError(corpus.segments.front().file.path.string() +
                    ": a single document, of which no part can be held out: set validation.paths");
  }
  return first + static_cast<std::int64_t>(std::floor(static_cast<double>(bytes) * (1 - fraction)));
}

std::shared_ptr<const Tokenizer> make_tokenizer(const Variant<TokenizerEntry>& tokenizer,
                                                const std::vector<Corpus>& corpora, double fraction,
                                                const ProgressCallback& progress) {
  const TokenizerEntry& entry = tokenizer.entry();
  if (!entry.trains) return entry.make(tokenizer.settings(), {});
  const std::int64_t budget = entry.sample_bytes(tokenizer.settings());
  if (budget == 0) {
    return entry.make(tokenizer.settings(), [&](const std::function<void(std::string_view)>& use) {
      for (const Corpus& corpus : corpora) {
        for_each_part(corpus, nullptr, 0,
                      [&](const TextBlock&, const DocumentPart& part) { return use(part.text), true; });
      }
    });
  }
  const std::vector<std::string> texts = sample_corpora(corpora, fraction, budget, progress);
  ProgressMeter meter(progress, "training the tokenizer", 0);
  meter.set(0);
  return entry.make(tokenizer.settings(), [&texts](const std::function<void(std::string_view)>& use) {
    for (const std::string& text : texts) use(text);
  });
}

}  // namespace ingot
