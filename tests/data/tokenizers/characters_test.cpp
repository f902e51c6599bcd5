#include <gtest/gtest.h>

#include "../support.h"
#include "base/error.h"

namespace ingot {
namespace {

TEST(Characters, AreSortedCodePoints) {
  const auto tokenizer = make_tokenizer("{type: characters}", {"hello\n", "é漢 "});
  // "\n", " ", "e", "h", "l", "o", "é", "漢", end.
  EXPECT_EQ(tokenizer->vocab_size(), 9);
  EXPECT_EQ(tokenizer->eos(), 8);
  EXPECT_EQ(tokenizer->encode("h\né漢"), (std::vector<TokenId>{3, 0, 6, 7}));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("hell é\n")), "hell é\n");
  EXPECT_EQ(token_bytes(*tokenizer), (std::vector<std::int32_t>{1, 1, 1, 1, 1, 1, 2, 3, 0}));
}

TEST(Characters, CanDoWithoutAnEnd) {
  const auto tokenizer = make_tokenizer("{type: characters, eos: false}", {"ba"});
  EXPECT_EQ(tokenizer->vocab_size(), 2);
  EXPECT_FALSE(tokenizer->eos().has_value());
  EXPECT_EQ(tokenizer->encode("ab"), (std::vector<TokenId>{0, 1}));
}

TEST(Characters, AnotherCharacterIsNamed) {
  const auto tokenizer = make_tokenizer("characters", {"abc"});
  EXPECT_NE(message_of<DataError>([&] { tokenizer->encode("a漢"); }).find("U+6F22 '漢'"), std::string::npos);
  EXPECT_NE(message_of<DataError>([&] { tokenizer->encode("\n"); }).find("U+000A "), std::string::npos);
  EXPECT_THROW(tokenizer->encode("a\xFF"), DataError);
}

TEST(Characters, AStatedVocabularySizeMustHold) {
  EXPECT_EQ(make_tokenizer("{type: characters, vocab_size: 4}", {"abc"})->vocab_size(), 4);
  const std::string message =
      message_of<DataError>([] { make_tokenizer("{type: characters, vocab_size: 5}", {"abc"}); });
  EXPECT_NE(message.find("expected auto or 4"), message.npos) << message;
}

TEST(Characters, SurviveSaving) {
  for (const char* yaml : {"{type: characters}", "{type: characters, eos: false}"}) {
    const auto tokenizer = make_tokenizer(yaml, {"q\"uo\\te é\n\t"});
    const auto loaded = load_tokenizer(tokenizer_family(), tokenizer->serialize(), "x");
    EXPECT_EQ(loaded->hash(), tokenizer->hash());
    EXPECT_EQ(loaded->encode("é\"\\\n"), tokenizer->encode("é\"\\\n"));
    EXPECT_EQ(loaded->eos(), tokenizer->eos());
  }
  EXPECT_THROW(load_tokenizer(tokenizer_family(), R"({"type":"characters"})", "x"), DataError);
}

TEST(Characters, NeedText) { EXPECT_THROW(make_tokenizer("characters", {}), DataError); }

}  // namespace
}  // namespace ingot
