#pragma once
// UTF-8: code points and what is valid.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ingot {

/// Length of the valid code point that begins `text` (1..4), 0 if there is none: overlong forms, surrogates, values
/// above U+10FFFF and cut sequences are not valid. Precondition: text is not empty.
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

}  // namespace ingot
