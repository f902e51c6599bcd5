#include "base/printable.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

TEST(Printable, LeavesTextAlone) {
  for (const char* text : {"", "two\nlines\tand a tab", "naïve façade", "日本語", "🙂 \\ \"quoted\""}) {
    EXPECT_EQ(printable(text), text);
  }
}

TEST(Printable, WritesOutWhatATerminalWouldActOn) {
  EXPECT_EQ(printable("\x1b[31mred\x07\r\x7f"), "\\x1B[31mred\\x07\\x0D\\x7F");
  EXPECT_EQ(printable(std::string("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(printable("\xC2\x9B"
                      "2J"),
            "\\u009B2J")
      << "the second set of control characters";
  EXPECT_EQ(printable("a\u202Eb\u2066c\u2028d"), "a\\u202Eb\\u2066c\\u2028d");
}

TEST(Printable, WritesOutBytesThatAreNotUtf8) {
  EXPECT_EQ(printable("caf\xE9.txt"), "caf\\xE9.txt");
  EXPECT_EQ(printable("\xC0\xAF \xED\xA0\x80 \xF4\x90"), "\\xC0\\xAF \\xED\\xA0\\x80 \\xF4\\x90");
}

TEST(Printable, PiecesMayEndWithinACharacter) {
  const std::string text = "a日\x1b🙂\xE9z";
  for (std::size_t first = 0; first <= text.size(); ++first) {
    for (std::size_t second = first; second <= text.size(); ++second) {
      PrintableStream stream;
      std::string shown = stream.add(text.substr(0, first));
      shown += stream.add(text.substr(first, second - first));
      shown += stream.add(text.substr(second));
      shown += stream.finish();
      ASSERT_EQ(shown, printable(text)) << first << " " << second;
    }
  }
  PrintableStream cut;
  EXPECT_EQ(cut.add("ab\xE6\x97"), "ab");
  EXPECT_EQ(cut.finish(), "\\xE6\\x97");
}

}  // namespace
}  // namespace ingot
