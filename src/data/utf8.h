#pragma once
// UTF-8 as the tokenizers and readers need it.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ingot {

/// Length of the valid code point that begins `text` (1..4), 0 if there is none: overlong forms, surrogates, values above
/// U+10FFFF and cut sequences are not valid. Precondition: text is not empty.
std::size_t code_point_length(std::string_view text);

/// The code point in the first `length` bytes, where length = code_point_length(text) > 0.
char32_t decode_code_point(std::string_view text, std::size_t length);

/// Appends the UTF-8 form of a valid code point.
void append_code_point(std::string& text, char32_t code_point);

/// Number of leading bytes of `text` that are valid UTF-8.
std::size_t valid_utf8_prefix(std::string_view text);

/// True if `text` could be the beginning of a valid code point that needs more bytes.
bool is_cut_code_point(std::string_view text);

/// The largest position <= `limit` that does not split a code point (in valid UTF-8).
std::size_t utf8_boundary(std::string_view text, std::size_t limit);

/// Where text longer than `limit` bytes is cut, so that a tokenizer that works word by word gives the same ids for the
/// parts as for the whole: the start of the last line in it, else the last start of a run of spaces, else the last code
/// point. In 1..limit; depends on nothing but the first `limit` + 4 bytes. Precondition: text.size() > limit >= 4.
std::size_t cut_position(std::string_view text, std::size_t limit);

}  // namespace ingot
