#include <gtest/gtest.h>
#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <unordered_map>

#include "../support.h"
#include "base/error.h"
#include "base/random.h"
#include "data/sentencepiece_model.h"
#include "data/text/text_units.h"

namespace ingot {
namespace {

constexpr const char* kBpe = "{type: sentencepiece, model_type: bpe, vocab_size: 400}";
constexpr const char* kUnigram = "{type: sentencepiece, model_type: unigram, vocab_size: 330}";

class Sentencepiece : public testing::TestWithParam<const char*> {
 protected:
  std::shared_ptr<const Tokenizer> tokenizer = make_tokenizer(GetParam(), {sample_text(20000)});
};

TEST_P(Sentencepiece, KeepsEveryText) {
  for (const std::string& text : hostile_texts()) {
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
  }
}

TEST_P(Sentencepiece, NeverProducesUnknown) {
  for (const std::string& text : hostile_texts()) {
    for (const TokenId id : tokenizer->encode(text)) ASSERT_NE(id, 0) << text;
  }
}

TEST_P(Sentencepiece, AgreesWithTheLibraryOnWholeTexts) {
  sentencepiece::SentencePieceProcessor processor;
  ASSERT_TRUE(processor.LoadFromSerializedProto(tokenizer->serialize()).ok());
  for (const std::string& text : {sample_text(2000, 3), std::string("  two  spaces\n\n\nand 1234 lines.\n"),
                                  std::string("日本語 naïve — unseen: 漢字")}) {
    std::vector<int> expected;
    ASSERT_TRUE(processor.Encode(text, &expected).ok());
    EXPECT_EQ(tokenizer->encode(text), expected);
  }
}

TEST_P(Sentencepiece, PartsGiveTheIdsOfTheWhole) {
  const std::string text = sample_text(500, 5);
  const std::vector<TokenId> whole = tokenizer->encode(text);
  std::vector<TokenId> parts;
  const auto encoder = tokenizer->encoder();
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t length = word_length(rest, rest.size());
    encoder->encode(rest.substr(0, length), parts);
    rest.remove_prefix(length);
  }
  EXPECT_EQ(parts, whole);
}

TEST_P(Sentencepiece, TrainsTheSameModelAgain) {
  EXPECT_EQ(make_tokenizer(GetParam(), {sample_text(20000)})->hash(), tokenizer->hash());
  EXPECT_NE(make_tokenizer(GetParam(), {sample_text(20000, 2)})->hash(), tokenizer->hash());
}

TEST_P(Sentencepiece, NewlinesHavePiecesOfTheirOwn) {
  for (const char* text : {"\n", "\n\n", ".\n\n"}) {
    for (const TokenId id : tokenizer->encode(text)) EXPECT_GT(id, 257) << "a byte stands for a newline";
  }
}

TEST_P(Sentencepiece, SurvivesSaving) {
  const auto loaded = load_tokenizer(tokenizer_family(), tokenizer->serialize(), "x");
  EXPECT_EQ(loaded->hash(), tokenizer->hash());
  EXPECT_EQ(loaded->vocab_size(), tokenizer->vocab_size());
  EXPECT_EQ(loaded->eos(), tokenizer->eos());
  const std::string text = sample_text(200, 9);
  EXPECT_EQ(loaded->encode(text), tokenizer->encode(text));
}

TEST_P(Sentencepiece, SpecialTokensHaveNoText) {
  ASSERT_TRUE(tokenizer->eos().has_value());
  EXPECT_EQ(tokenizer->piece(*tokenizer->eos()), "");
  EXPECT_THROW(tokenizer->piece(static_cast<TokenId>(tokenizer->vocab_size())), DataError);
  EXPECT_THROW(tokenizer->piece(-1), DataError);
}

INSTANTIATE_TEST_SUITE_P(Models, Sentencepiece, testing::Values(kBpe, kUnigram),
                         [](const auto& test) { return test.index == 0 ? "Bpe" : "Unigram"; });

TEST(SentencepieceErrors, AVocabularyTooLargeNamesTheLargest) {
  const std::string message = message_of<DataError>([] {
    make_tokenizer("{type: sentencepiece, vocab_size: 30000}", {"one small text\n", "and another\n"});
  });
  ASSERT_NE(message.find("30000 is more than the text supports, expected at most "), message.npos) << message;
  const std::string largest = message.substr(message.rfind(' ') + 1);
  // What it names works.
  EXPECT_EQ(make_tokenizer("{type: sentencepiece, vocab_size: " + largest + "}", {"one small text\n", "and another\n"})
                ->vocab_size(),
            std::stoll(largest));
}

TEST(SentencepieceErrors, AVocabularyTooSmallNamesTheSmallest) {
  const std::string message = message_of<DataError>([] {
    make_tokenizer("{type: sentencepiece, vocab_size: 200}", {"one small text\n", "and another\n"});
  });
  EXPECT_NE(message.find("200 is less than its characters and bytes need, expected at least 27"), message.npos)
      << message;
}

TEST(SentencepieceErrors, NoTextAndDamagedModels) {
  EXPECT_THROW(make_tokenizer(kBpe, {}), DataError);
  EXPECT_THROW(make_tokenizer(kBpe, {"\t"}), DataError);
  EXPECT_THROW(load_tokenizer(tokenizer_family(), "not a model", "m"), DataError);
  const std::string bytes = make_tokenizer(kBpe, {sample_text(20000)})->serialize();
  EXPECT_THROW(load_tokenizer(tokenizer_family(), bytes.substr(0, bytes.size() / 2), "m"), DataError);
}

TEST(SentencepieceErrors, WithoutBytesUnknownTextIsLost) {
  const auto tokenizer = make_tokenizer("{type: sentencepiece, vocab_size: 50, byte_fallback: false}",
                                        {"only a few letters here, only a few letters here\n"});
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("letters")), "letters");
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("Z")), "\xEF\xBF\xBD");
}

/// Text of few letters without a blank, as DNA and Chinese have it.
std::string lines_of(const std::vector<std::string>& letters, int lines) {
  RandomStream random(5, "lines of letters");
  std::string text;
  for (int line = 0; line < lines; ++line) {
    for (int i = 0; i < 60; ++i) text += letters[random.below(letters.size())];
    text += '\n';
  }
  return text;
}

TEST(SentencepieceBlank, IsAPieceThoughTheTextHasNone) {
  const std::vector<std::string> dna = {"A", "C", "G", "T"}, chinese = {"春", "眠", "不", "覺", "曉", "處", "聞"};
  for (const char* yaml :
       {"{type: sentencepiece, vocab_size: 300}", "{type: sentencepiece, vocab_size: 280, model_type: unigram}",
        "{type: sentencepiece, vocab_size: 40, byte_fallback: false}"}) {
    for (const auto& letters : {dna, chinese}) {
      const std::string text = lines_of(letters, 100);
      // None, and fewer than the coverage asks for.
      for (const std::string& trained : {text, text.substr(0, 15) + " " + text.substr(15)}) {
        const auto tokenizer = make_tokenizer(yaml, {trained});
        const std::string blanks = letters[0] + "  " + letters[1] + " ";
        EXPECT_EQ(tokenizer->decode(tokenizer->encode(trained)), trained) << yaml;
        EXPECT_EQ(tokenizer->decode(tokenizer->encode(blanks)), blanks) << yaml;
        EXPECT_EQ(tokenizer->encode(" ").size(), 1u) << yaml;
      }
    }
  }
}

/// A model as another program might train it.
std::string foreign_model(std::unordered_map<std::string, std::string> settings) {
  class Lines final : public sentencepiece::SentenceIterator {
   public:
    bool done() const override { return next_ == 200; }
    void Next() override { ++next_; }
    const std::string& value() const override { return text_; }
    sentencepiece::util::Status status() const override { return {}; }

   private:
    int next_ = 0;
    std::string text_ = "the river and the stone \n a small boat";
  } lines;
  settings.insert({{"vocab_size", "40"}, {"hard_vocab_limit", "false"}, {"minloglevel", "3"}});
  std::string model;
  const auto status = sentencepiece::SentencePieceTrainer::Train(settings, &lines, &model);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return model;
}

TEST(ForeignSentencepiece, IsRefusedIfItLosesWhiteSpaceOrChangesText) {
  using Settings = std::unordered_map<std::string, std::string>;
  const Settings keeps = {
      {"normalization_rule_name", "identity"}, {"add_dummy_prefix", "false"}, {"remove_extra_whitespaces", "false"}};
  for (const char* type : {"unigram", "bpe"}) {
    Settings good = keeps;
    good.insert({"model_type", type});
    EXPECT_NE(load_tokenizer(tokenizer_family(), foreign_model(good), "t.model"), nullptr);
    using Pairs = std::vector<std::pair<std::string, std::string>>;
    for (const auto& [key, value] : Pairs{{"normalization_rule_name", "nmt_nfkc"},
                                          {"normalization_rule_name", "nfkc"},
                                          {"add_dummy_prefix", "true"},
                                          {"remove_extra_whitespaces", "true"}}) {
      Settings bad = good;
      bad[key] = value;
      const std::string message =
          message_of<DataError>([&] { load_tokenizer(tokenizer_family(), foreign_model(bad), "t.model"); });
      EXPECT_NE(message.find("t.model: this sentencepiece model changes the text"), message.npos) << type << " " << key;
    }
  }
}

/// The library follows the normaliser's map without a look at its bounds.
TEST(ForeignSentencepiece, ADamagedMapOfTheNormaliserIsRefusedBeforeTheLibrarySeesIt) {
  const std::string model = foreign_model({{"normalization_rule_name", "nmt_nfkc"}});
  EXPECT_NO_THROW(check_sentencepiece_model(model, "t.model"));
  const std::size_t map = model.rfind("nmt_nfkc");
  ASSERT_NE(map, model.npos);
  RandomStream random(7, "damage");
  int refused = 0;
  constexpr int kTries = 100;
  for (int i = 0; i < kTries; ++i) {
    std::string damaged = model;
    for (int k = 0; k < 1 + i % 20; ++k) {
      damaged[map + 16 + random.below(model.size() - map - 16)] = static_cast<char>(random.below(256));
    }
    try {
      check_sentencepiece_model(damaged, "t.model");
    } catch (const DataError& error) {
      EXPECT_EQ(std::string(error.what()).find("t.model: not a sentencepiece model"), 0u);
      ++refused;
      continue;
    }
    // What passes may be loaded and used, whatever the text.
    sentencepiece::SentencePieceProcessor processor;
    if (!processor.LoadFromSerializedProto(damaged).ok()) continue;
    std::vector<int> ids;
    for (const std::string& text : hostile_texts()) (void)processor.Encode(text, &ids).ok();
  }
  EXPECT_GT(refused, kTries / 4);
  for (std::size_t cut = 0; cut < model.size(); cut += 997) {
    try {
      check_sentencepiece_model(std::string_view(model).substr(0, cut), "t.model");
    } catch (const DataError&) {
    }
  }
  // A map that begins beyond its own end.
  const std::string greedy =
      "\x1A\x0A\x12\x08\xFF\xFF\xFF\x7F"
      "abcd";
  EXPECT_THROW(check_sentencepiece_model(greedy, "t.model"), DataError);
}

TEST(SentencepieceErrors, ValuesThatTheLibraryRefusesAreRefusedByTheConfig) {
  const auto message = [](const std::string& settings) {
    return message_of<ConfigError>(
        [&] { data_config("{train: {paths: x}, tokenizer: {type: sentencepiece, " + settings + "}, seq_len: 8}"); });
  };
  const auto contains = [](const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), text.npos) << text;
  };
  EXPECT_EQ(message("vocab_size: 259"), "");
  EXPECT_EQ(message("vocab_size: 3, byte_fallback: false"), "");
  contains(message("vocab_size: 258"), "data.tokenizer.vocab_size: 258, expected at least 259");
  contains(message("vocab_size: 2, byte_fallback: false"), "expected 3..");
  contains(message("vocab_size: 3000000000"), "expected 3..");
  contains(message("vocab_size: 300, character_coverage: 0.97"), "expected 0.98..1");
  contains(message("vocab_size: 300, max_piece_length: 513"), "expected 1..512");
  contains(message("vocab_size: 300, num_threads: 129"), "expected 1..128");
  // The ends of these ranges are the library's own.
  const std::vector<std::string> text = {sample_text(20000)};
  for (const char* settings : {"character_coverage: 0.98", "character_coverage: 1", "max_piece_length: 512",
                               "num_threads: 128", "num_threads: 1"}) {
    EXPECT_NO_THROW(make_tokenizer(std::string("{type: sentencepiece, vocab_size: 400, ") + settings + "}", text))
        << settings;
  }
}

TEST(SentencepieceErrors, NeedsAVocabularySize) {
  EXPECT_THROW(tokenizer_variant("{type: sentencepiece}"), ConfigError);
}

}  // namespace
}  // namespace ingot
