#include <gtest/gtest.h>

#include "../support.h"
#include "base/error.h"

namespace ingot {
namespace {

TEST(Bytes, KeepsEveryTextByteByByte) {
  const auto tokenizer = make_tokenizer("bytes");
  EXPECT_EQ(tokenizer->vocab_size(), 257);
  EXPECT_EQ(tokenizer->eos(), 256);
  for (const std::string& text : hostile_texts()) {
    const std::vector<TokenId> ids = tokenizer->encode(text);
    EXPECT_EQ(ids.size(), text.size());
    EXPECT_EQ(tokenizer->decode(ids), text);
  }
  EXPECT_EQ(tokenizer->encode("A\xFF"), (std::vector<TokenId>{65, 255}));
  EXPECT_EQ(tokenizer->piece(256), "");
  EXPECT_THROW(tokenizer->piece(257), DataError);
}

TEST(Bytes, CountsBytes) {
  const std::vector<std::int32_t> bytes = token_bytes(*make_tokenizer("bytes"));
  ASSERT_EQ(bytes.size(), 257u);
  EXPECT_EQ(bytes[0], 1);
  EXPECT_EQ(bytes[255], 1);
  EXPECT_EQ(bytes[256], 0);
}

TEST(Bytes, SurvivesSaving) {
  const auto tokenizer = make_tokenizer("bytes");
  EXPECT_EQ(load_tokenizer(tokenizer_family(), tokenizer->serialize(), "x")->hash(), tokenizer->hash());
}

}  // namespace
}  // namespace ingot
