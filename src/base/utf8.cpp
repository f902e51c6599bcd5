#include "base/utf8.h"

#include <cstring>

namespace ingot {
namespace {

std::uint8_t byte_at(std::string_view text, std::size_t i) { return static_cast<std::uint8_t>(text[i]); }

bool is_continuation(std::uint8_t byte) { return (byte & 0xC0) == 0x80; }

/// Bytes that a sequence with this first byte has; 0 if none may start with it.
std::size_t expected_length(std::uint8_t first) {
  if (first < 0x80) return 1;
  if (first < 0xC2) return 0;  // continuation bytes and overlong forms of ASCII
  if (first < 0xE0) return 2;
  if (first < 0xF0) return 3;
  return first < 0xF5 ? 4 : 0;
}

/// The first continuation byte rules out overlong forms, surrogates and values above U+10FFFF.
bool second_byte_fits(std::uint8_t first, std::uint8_t second) {
  if (!is_continuation(second)) return false;
  if (first == 0xE0) return second >= 0xA0;
  if (first == 0xED) return second < 0xA0;
  if (first == 0xF0) return second >= 0x90;
  if (first == 0xF4) return second < 0x90;
  return true;
}

/// Number of bytes of `text` that begin the sequence its first byte announces.
std::size_t matching_bytes(std::string_view text, std::size_t length) {
  if (length < 2 || text.size() < 2) return length == 0 ? 0 : 1;
  if (!second_byte_fits(byte_at(text, 0), byte_at(text, 1))) return 1;
  std::size_t i = 2;
  while (i < length && i < text.size() && is_continuation(byte_at(text, i))) ++i;
  return i;
}

}  // namespace

std::size_t code_point_length(std::string_view text) {
  const std::size_t length = expected_length(byte_at(text, 0));
  return matching_bytes(text, length) == length ? length : 0;
}

char32_t decode_code_point(std::string_view text, std::size_t length) {
  if (length == 1) return byte_at(text, 0);
  constexpr std::uint8_t kFirstBits[] = {0, 0, 0x1F, 0x0F, 0x07};
  char32_t code_point = byte_at(text, 0) & kFirstBits[length];
  for (std::size_t i = 1; i < length; ++i) code_point = code_point << 6 | (byte_at(text, i) & 0x3F);
  return code_point;
}

void append_code_point(std::string& text, char32_t c) {
  const auto continuation = [&text, c](int shift) { text += static_cast<char>(0x80 | (c >> shift & 0x3F)); };
  if (c < 0x80) {
    text += static_cast<char>(c);
  } else if (c < 0x800) {
    text += static_cast<char>(0xC0 | c >> 6);
    continuation(0);
  } else if (c < 0x10000) {
    text += static_cast<char>(0xE0 | c >> 12);
    continuation(6);
    continuation(0);
  } else {
    text += static_cast<char>(0xF0 | c >> 18);
    continuation(12);
    continuation(6);
    continuation(0);
  }
}

std::size_t valid_utf8_prefix(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    // Eight ASCII bytes at a time.
    std::uint64_t word;
    while (i + sizeof word <= text.size()) {
      std::memcpy(&word, text.data() + i, sizeof word);
      if (word & 0x8080808080808080u) break;
      i += sizeof word;
    }
    if (i == text.size()) break;
    const std::size_t length = code_point_length(text.substr(i));
    if (length == 0) break;
    i += length;
  }
  return i;
}

bool is_cut_code_point(std::string_view text) {
  if (text.empty()) return false;
  const std::size_t length = expected_length(byte_at(text, 0));
  return text.size() < length && matching_bytes(text, length) == text.size();
}

std::size_t utf8_boundary(std::string_view text, std::size_t limit) {
  if (limit >= text.size()) return text.size();
  std::size_t i = limit;
  while (i > 0 && is_continuation(byte_at(text, i))) --i;
  return i;
}

}  // namespace ingot
