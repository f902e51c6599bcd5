#include <gtest/gtest.h>
#include <sentencepiece_processor.h>

#include "../support.h"
#include "base/error.h"
#include "data/text_units.h"

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

TEST(SentencepieceErrors, NeedsAVocabularySize) {
  EXPECT_THROW(tokenizer_variant("{type: sentencepiece}"), ConfigError);
}

}  // namespace
}  // namespace ingot
