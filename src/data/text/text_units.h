#pragma once
// The units that the sentencepiece tokenizer works in. Its pieces never cross the border of a word, so that encoding
// word by word gives the ids of the whole text, and a word's ids can be remembered.

#include <string_view>

namespace ingot {

/// A word is what follows a border: the start of a run of spaces, or the start of a line (a newline, then another
/// character). "a  b\n\nc" has the words "a", "  b\n\n", "c".
/// Returns the length of the first word of `text`, at most `limit` bytes (cut between code points where it can be).
std::size_t word_length(std::string_view text, std::size_t limit);

/// Characters with a meaning of their own inside sentencepiece: NUL, tab, U+2581 (its space) and U+2585 (its unknown),
/// and bytes that are not UTF-8. They are encoded as single bytes and take no part in training.
/// Returns the length of the leading run without any (`is_plain`), or else of the leading run of such.
struct PlainRun {
  std::size_t length = 0;
  bool is_plain = true;
};
PlainRun plain_run(std::string_view text);

}  // namespace ingot
