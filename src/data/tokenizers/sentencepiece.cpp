// SentencePiece (Kudo & Richardson 2018, arXiv:1808.06226): byte-pair merges (Sennrich et al. 2016, arXiv:1508.07909)
// or a unigram language model (Kudo 2018, arXiv:1804.10959), trained in this process.
//
// Settings that make it lossless: identity normalisation, no dummy prefix, runs of spaces kept, bytes for what has no
// piece. Newlines are ordinary characters, so that pieces such as ".\n" are learned. Text is handled word by word
// (text_units.h), in training too, so pieces never cross a border of words and a word's ids are the same everywhere.
// Ids: 0 unknown (never produced with byte fallback), 1 end of document, 2..257 bytes, then pieces.

#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <limits>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "config/problems.h"
#include "config/units.h"
#include "data/sentencepiece_model.h"
#include "data/text/text_units.h"
#include "data/text/utf8.h"
#include "data/tokenizer.h"

namespace ingot {
namespace sentencepiece {

namespace sp = ::sentencepiece;

enum class ModelType { kBpe, kUnigram };

struct SentencepieceConfig {
  ModelType model_type = ModelType::kBpe;
  Count vocab_size{0};
  bool byte_fallback = true;
  double character_coverage = 0.9995;
  bool split_digits = true;
  Count max_piece_length{16};
  OrAuto<ByteSize> sample;
  Count num_threads{16};
};

constexpr std::int64_t kLeastVocab = 3;  // unknown, end of document, blank; 256 bytes more with byte fallback

void describe(Fields& f, SentencepieceConfig& c) {
  f.choice("model_type", c.model_type, {{"bpe", ModelType::kBpe}, {"unigram", ModelType::kUnigram}},
           "byte-pair merges, or a unigram language model (slower to train)");
  f.field("vocab_size", c.vocab_size, "number of ids: end of document, unknown and 256 bytes included",
          Rule{}.required().at_least(kLeastVocab).at_most(std::numeric_limits<int>::max()));
  f.field("byte_fallback", c.byte_fallback,
          "text without a piece becomes bytes; false: it becomes the unknown token and is lost");
  f.field("character_coverage", c.character_coverage,
          "share of the text whose characters get a piece; the blank always does", Rule{}.at_least(0.98).at_most(1));
  f.field("split_digits", c.split_digits, "every digit is a piece of its own");
  f.field("max_piece_length", c.max_piece_length, "longest piece, in characters", Rule{}.at_least(1).at_most(512));
  f.field("sample", c.sample,
          "text that training sees, a fixed choice of documents; auto: 2 KiB for each id, at least 4 MiB",
          Rule{}.at_least(1));
  f.field("num_threads", c.num_threads, "threads of the unigram training; they change its rounding and so the result",
          Rule{}.at_least(1).at_most(128));
}

void check(const SentencepieceConfig& c, Problems& problems, const std::string& path) {
  if (!c.byte_fallback || c.vocab_size >= kLeastVocab + 256) return;
  problems.add(path + ".vocab_size",
               cat(static_cast<std::int64_t>(c.vocab_size), ", expected at least ", kLeastVocab + 256,
                   " (256 bytes, unknown, end of document, blank) or byte_fallback: false"));
}

constexpr int kUnknown = 0;
constexpr int kEnd = 1;
constexpr std::string_view kSpace = "\xE2\x96\x81";        // U+2581, sentencepiece's form of a space
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD, what the unknown token decodes to
constexpr std::size_t kLongestWord = 4096;
constexpr std::size_t kLongestTrainingUnit = 8192;

std::int64_t sample_bytes(const SentencepieceConfig& c) {
  const std::int64_t automatic = std::max<std::int64_t>(c.vocab_size * 2048, 4 << 20);
  return c.sample.value_or(ByteSize{automatic}).bytes;
}

/// What the model is made of; encoders share it.
struct Model {
  sp::SentencePieceProcessor processor;
  std::string serialized;
  std::vector<std::string> pieces;  // the text of each id
  std::vector<TokenId> bytes;       // 256 ids, or none
};

class Encoder final : public TextEncoder {
 public:
  explicit Encoder(std::shared_ptr<const Model> model) : model_(std::move(model)) {}

  void encode(std::string_view text, std::vector<TokenId>& ids) override {
    while (!text.empty()) {
      const std::string_view word = text.substr(0, word_length(text, kLongestWord));
      encode_word(word, ids);
      text.remove_prefix(word.size());
    }
  }

 private:
  /// One cache line. A new word takes the place of the one with the same slot, so frequent words stay.
  struct Slot {
    std::uint8_t length = 0;  // 0: empty
    std::uint8_t count = 0;
    std::array<char, 30> word{};
    std::array<TokenId, 8> ids{};
  };
  static_assert(sizeof(Slot) == 64);
  static constexpr std::size_t kSlots = std::size_t{1} << 17;

  void encode_word(std::string_view word, std::vector<TokenId>& ids) {
    if (word.size() > Slot().word.size()) return encode_uncached(word, ids);
    Slot& slot = slots_[XXH3_64bits(word.data(), word.size()) % kSlots];
    if (std::string_view(slot.word.data(), slot.length) == word) {
      ids.insert(ids.end(), slot.ids.begin(), slot.ids.begin() + slot.count);
      return;
    }
    const std::size_t before = ids.size();
    encode_uncached(word, ids);
    if (ids.size() - before > slot.ids.size()) return;
    slot.length = static_cast<std::uint8_t>(word.size());
    slot.count = static_cast<std::uint8_t>(ids.size() - before);
    std::copy(word.begin(), word.end(), slot.word.begin());
    std::copy(ids.begin() + static_cast<std::ptrdiff_t>(before), ids.end(), slot.ids.begin());
  }

  void encode_uncached(std::string_view word, std::vector<TokenId>& ids) {
    while (!word.empty()) {
      const PlainRun run = plain_run(word);
      const std::string_view part = word.substr(0, run.length);
      if (run.is_plain) {
        const sp::util::Status status = model_->processor.Encode(part, &scratch_);
        if (!status.ok()) throw DataError("sentencepiece cannot encode: " + status.ToString());
        ids.insert(ids.end(), scratch_.begin(), scratch_.end());
      } else {
        for (const char byte : part) {
          ids.push_back(model_->bytes.empty() ? model_->processor.unk_id()
                                              : model_->bytes[static_cast<unsigned char>(byte)]);
        }
      }
      word.remove_prefix(run.length);
    }
  }

  std::shared_ptr<const Model> model_;
  std::vector<Slot> slots_ = std::vector<Slot>(kSlots);
  std::vector<int> scratch_;
};

class SentencepieceTokenizer final : public Tokenizer {
 public:
  explicit SentencepieceTokenizer(std::shared_ptr<const Model> model) : model_(std::move(model)) {}

  std::int64_t vocab_size() const override { return static_cast<std::int64_t>(model_->pieces.size()); }
  std::optional<TokenId> eos() const override {
    const int id = model_->processor.eos_id();
    return id < 0 ? std::nullopt : std::optional<TokenId>(id);
  }
  std::optional<TokenId> bos() const override {
    const int id = model_->processor.bos_id();
    return id < 0 ? std::nullopt : std::optional<TokenId>(id);
  }
  std::optional<TokenId> unknown() const override {
    return model_->bytes.empty() ? std::optional<TokenId>(model_->processor.unk_id()) : std::nullopt;
  }
  std::unique_ptr<TextEncoder> encoder() const override { return std::make_unique<Encoder>(model_); }
  std::string_view piece(TokenId id) const override {
    if (id < 0 || id >= vocab_size()) {
      throw DataError(cat("token ", id, " is out of range, expected 0..", vocab_size() - 1));
    }
    return model_->pieces[static_cast<std::size_t>(id)];
  }
  std::string serialize() const override { return model_->serialized; }

 private:
  std::shared_ptr<const Model> model_;
};

std::string with_spaces(std::string_view piece) {
  std::string text;
  for (std::size_t i = 0; i < piece.size();) {
    const bool is_space = piece.substr(i).starts_with(kSpace);
    text += is_space ? ' ' : piece[i];
    i += is_space ? kSpace.size() : 1;
  }
  return text;
}

std::string piece_text(const sp::SentencePieceProcessor& processor, int id) {
  if (processor.IsControl(id) || processor.IsUnused(id)) return "";
  if (processor.IsUnknown(id)) return std::string(kReplacement);
  const std::string& piece = processor.IdToPiece(id);
  if (processor.IsByte(id)) return {static_cast<char>(std::stoi(piece.substr(3, 2), nullptr, 16))};  // "<0x0A>"
  return with_spaces(piece);
}

/// What a model without bytes makes of a text, with text that has no piece as it is: what normalisation alone changes.
std::string normalised(const sp::SentencePieceProcessor& processor, const std::string& text) {
  std::vector<std::string> pieces;
  const sp::util::Status status = processor.Encode(text, &pieces);
  if (!status.ok()) throw DataError("sentencepiece cannot encode: " + status.ToString());
  std::string kept;
  for (const std::string& piece : pieces) kept += with_spaces(piece);
  return kept;
}

/// Models made elsewhere may fold white space or add a leading space: then text would be lost without a sign.
void require_lossless(const Tokenizer& tokenizer, const Model& model, const std::string& name) {
  for (const std::string text : {"a", " a", "a  b ", "\ta", "a\n\nb", "\u00e9\ufb01"}) {
    // Tabs are none of the model's business (text_units.h): without bytes they are unknown.
    if (model.bytes.empty() && text[0] == '\t') continue;
    const std::string kept =
        model.bytes.empty() ? normalised(model.processor, text) : tokenizer.decode(tokenizer.encode(text));
    if (kept != text) {
      throw DataError(name +
                      ": this sentencepiece model changes the text, expected one trained with identity normalisation, "
                      "without dummy prefix and with white space kept");
    }
  }
}

std::shared_ptr<const Tokenizer> load(std::string_view bytes, const std::string& name) {
  check_sentencepiece_model(bytes, name);
  auto model = std::make_shared<Model>();
  const sp::util::Status status = model->processor.LoadFromSerializedProto({bytes.data(), bytes.size()});
  if (!status.ok()) throw DataError(name + ": not a sentencepiece model, or a damaged one");
  model->serialized = bytes;
  const sp::SentencePieceProcessor& processor = model->processor;
  std::vector<TokenId> byte_ids(256, -1);
  std::size_t bytes_found = 0;
  for (int id = 0; id < processor.GetPieceSize(); ++id) {
    model->pieces.push_back(piece_text(processor, id));
    if (!processor.IsByte(id)) continue;
    byte_ids[static_cast<unsigned char>(model->pieces.back()[0])] = id;
    ++bytes_found;
  }
  if (bytes_found == 256) model->bytes = std::move(byte_ids);
  const auto tokenizer = std::make_shared<SentencepieceTokenizer>(model);
  require_lossless(*tokenizer, *model, name);
  return tokenizer;
}

/// Feeds the trainer with the plain parts of the texts, cut at borders of words.
class Sentences final : public sp::SentenceIterator {
 public:
  explicit Sentences(std::vector<std::string> units) : units_(std::move(units)) {}
  bool done() const override { return next_ == units_.size(); }
  void Next() override { ++next_; }
  const std::string& value() const override { return units_[next_]; }
  sp::util::Status status() const override { return {}; }

 private:
  std::vector<std::string> units_;
  std::size_t next_ = 0;
};

void add_units(std::string_view text, std::vector<std::string>& units) {
  while (!text.empty()) {
    // A unit is a line with the newlines after it.
    std::size_t end = text.find('\n');
    end = end == text.npos ? text.size() : end;
    while (end < text.size() && text[end] == '\n') ++end;
    if (end > kLongestTrainingUnit) end = cut_position(text, kLongestTrainingUnit);
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end);
    while (!line.empty()) {
      const PlainRun run = plain_run(line);
      if (run.is_plain) units.emplace_back(line.substr(0, run.length));
      line.remove_prefix(run.length);
    }
  }
}

/// sentencepiece's own messages carry the numbers that a user needs.
[[noreturn]] void fail_training(const SentencepieceConfig& c, const std::string& message) {
  const auto number_after = [&message](std::string_view mark) {
    const std::size_t at = message.find(mark);
    return at == message.npos
               ? std::string()
               : message.substr(at + mark.size(),
                                message.find_first_not_of("0123456789", at + mark.size()) - at - mark.size());
  };
  const std::string vocab = cat("data.tokenizer.vocab_size: ", static_cast<std::int64_t>(c.vocab_size));
  if (const std::string largest = number_after("value <= "); !largest.empty()) {
    throw DataError(vocab + " is more than the text supports, expected at most " + largest);
  }
  if (const std::string smallest = number_after(" vs "); !smallest.empty()) {
    throw DataError(vocab + " is less than its characters and bytes need, expected at least " + smallest +
                    " (or a lower character_coverage)");
  }
  throw DataError("sentencepiece cannot train on this text: " + message);
}

std::shared_ptr<const Tokenizer> train(const SentencepieceConfig& c, const TextSource& texts) {
  std::vector<std::string> units;
  texts([&units](std::string_view text) { add_units(text, units); });
  if (units.empty()) throw DataError("no text to train the tokenizer on");
  // Without a piece of its own a blank is lost: the library turns it into its sign for it, and that into bytes. A
  // required piece must occur, or training ends the process.
  const auto has_blank = [](const std::string& unit) { return unit.find(' ') != unit.npos; };
  if (std::none_of(units.begin(), units.end(), has_blank)) units.emplace_back(" ");
  const auto flag = [](bool value) { return std::string(value ? "true" : "false"); };
  const std::unordered_map<std::string, std::string> settings = {
      {"model_type", c.model_type == ModelType::kBpe ? "bpe" : "unigram"},
      {"vocab_size", std::to_string(c.vocab_size)},
      {"byte_fallback", flag(c.byte_fallback)},
      {"character_coverage", format_double(c.character_coverage)},
      {"required_chars", std::string(kSpace)},
      {"split_digits", flag(c.split_digits)},
      {"max_sentencepiece_length", std::to_string(c.max_piece_length)},
      {"num_threads", std::to_string(c.num_threads)},
      {"normalization_rule_name", "identity"},
      {"add_dummy_prefix", "false"},
      {"remove_extra_whitespaces", "false"},
      {"allow_whitespace_only_pieces", "true"},
      {"max_sentence_length", std::to_string(2 * kLongestTrainingUnit)},
      {"unk_id", std::to_string(kUnknown)},
      {"eos_id", std::to_string(kEnd)},
      {"bos_id", "-1"},
      {"pad_id", "-1"},
      {"minloglevel", "3"}};
  Sentences sentences(std::move(units));
  std::string model;
  const sp::util::Status status = sp::SentencePieceTrainer::Train(settings, &sentences, &model);
  if (!status.ok()) fail_training(c, status.ToString());
  return load(model, "the trained tokenizer");
}

}  // namespace sentencepiece

void register_sentencepiece(Family<TokenizerEntry>& family) {
  using namespace sentencepiece;
  using Config = SentencepieceConfig;
  auto& entry = family.add<Config>("sentencepiece", "Subwords trained on the text: byte-pair merges or unigram.",
                                   "Kudo & Richardson 2018, arXiv:1808.06226");
  entry.trains = true;
  entry.sample_bytes = with_settings<Config>([](const Config& c) { return sample_bytes(c); });
  entry.planned_vocab_size =
      with_settings<Config>([](const Config& c) { return std::optional<std::int64_t>(c.vocab_size); });
  entry.make = with_settings<Config>([](const Config& c, const TextSource& texts) { return train(c, texts); });
  entry.load = load;
  entry.check = with_settings<Config>(
      [](const Config& c, Problems& problems, const std::string& path) { check(c, problems, path); });
}

}  // namespace ingot
