#include <gtest/gtest.h>

#include "../support.h"
#include "base/error.h"

namespace ingot {
namespace {

TEST(External, KnowsIdsOnly) {
  const auto tokenizer = make_tokenizer("{type: external, vocab_size: 50257, eos: 50256}");
  EXPECT_EQ(tokenizer->vocab_size(), 50257);
  EXPECT_EQ(tokenizer->eos(), 50256);
  EXPECT_FALSE(tokenizer->has_text());
  EXPECT_TRUE(token_bytes(*tokenizer).empty());
  EXPECT_THROW(tokenizer->encode("text"), DataError);
  EXPECT_THROW(tokenizer->piece(0), DataError);
}

TEST(External, SurvivesSaving) {
  for (const char* yaml : {"{type: external, vocab_size: 50Ki, eos: 3}", "{type: external, vocab_size: 100}"}) {
    const auto tokenizer = make_tokenizer(yaml);
    const auto loaded = load_tokenizer(tokenizer_family(), tokenizer->serialize(), "x");
    EXPECT_EQ(loaded->hash(), tokenizer->hash());
    EXPECT_EQ(loaded->vocab_size(), tokenizer->vocab_size());
    EXPECT_EQ(loaded->eos(), tokenizer->eos());
  }
}

TEST(External, TheEndMustBeInTheVocabulary) {
  EXPECT_THROW(make_tokenizer("{type: external, vocab_size: 100, eos: 100}"), ConfigError);
}

TEST(External, TheEndOfADocumentIsInTheVocabulary) {
  const std::string message = message_of<ConfigError>(
      [] { data_config("{train: {paths: x}, tokenizer: {type: external, vocab_size: 7, eos: 7}, seq_len: 8}"); });
  EXPECT_NE(message.find("data.tokenizer.eos: 7, expected less than vocab_size (7)"), message.npos) << message;
}

}  // namespace
}  // namespace ingot
