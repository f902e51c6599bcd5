#include "base/utf8.h"

#include <gtest/gtest.h>

#include <vector>

namespace ingot {
namespace {

TEST(Utf8, FindsTheFirstInvalidByte) {
  using namespace std::string_literals;
  for (const auto& [text, valid] : std::vector<std::pair<std::string, std::size_t>>{{"plain ascii text", 16},
                                                                                    {"caf\xC3\xA9", 5},
                                                                                    {"\xF0\x9F\x98\x80", 4},
                                                                                    {"\xEF\xBF\xBF", 3},
                                                                                    {"a\x80", 1},
                                                                                    {"\xC0\x80", 0},
                                                                                    {"\xE0\x9F\x80", 0},
                                                                                    {"\xED\xA0\x80", 0},
                                                                                    {"\xF0\x8F\xBF\xBF", 0},
                                                                                    {"\xF4\x90\x80\x80", 0},
                                                                                    {"\xF5\x80\x80\x80", 0},
                                                                                    {"12345678\xE6\x97", 8},
                                                                                    {"\0x"s, 2}}) {
    EXPECT_EQ(valid_utf8_prefix(text), valid) << text;
  }
}

TEST(Utf8, CodePointsGoThereAndBack) {
  for (const char32_t c :
       {U'\0', U'a', U'\x7F', U'\x80', U'\x7FF', U'\x800', U'\xD7FF', U'\xE000', U'\xFFFF', U'\x10000', U'\x10FFFF'}) {
    std::string text;
    append_code_point(text, c);
    ASSERT_EQ(code_point_length(text), text.size());
    EXPECT_EQ(decode_code_point(text, text.size()), c);
    for (std::size_t n = 1; n < text.size(); ++n) {
      EXPECT_TRUE(is_cut_code_point(std::string_view(text).substr(0, n)));
      EXPECT_EQ(code_point_length(std::string_view(text).substr(0, n)), 0u);
    }
    EXPECT_FALSE(is_cut_code_point(text));
  }
}

}  // namespace
}  // namespace ingot
