#include "base/printable.h"

#include <cstdio>
#include <utility>

#include "base/utf8.h"

namespace ingot {
namespace {

bool is_acted_on(char32_t c) {
  if (c < 0x20) return c != '\n' && c != '\t';
  if (c < 0x7F) return false;
  return c < 0xA0 ||                                  // delete and the second set of control characters
         c == 0x61C || c == 0x200E || c == 0x200F ||  // marks of direction
         (c >= 0x2028 && c <= 0x202E) ||              // line and paragraph ends, embeddings and overrides
         (c >= 0x2066 && c <= 0x2069);                // isolates
}

void append_escape(std::string& out, const char* format, unsigned value) {
  char text[16];
  std::snprintf(text, sizeof text, format, value);
  out += text;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = code_point_length(text);
    const char32_t c = length == 0 ? static_cast<unsigned char>(text[0]) : decode_code_point(text, length);
    const bool is_byte = length < 2;
    if (length == 0 || is_acted_on(c)) {
      append_escape(out, is_byte ? "\\x%02X" : "\\u%04X", static_cast<unsigned>(c));
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(is_byte ? 1 : length);
  }
  return out;
}

std::string PrintableStream::add(std::string_view piece) {
  cut_ += piece;
  constexpr std::size_t kLongest = 4;
  std::size_t kept = 0;
  for (std::size_t tail = 1; tail < kLongest && tail <= cut_.size(); ++tail) {
    if (is_cut_code_point(std::string_view(cut_).substr(cut_.size() - tail))) kept = tail;
  }
  const std::string whole = cut_.substr(0, cut_.size() - kept);
  cut_.erase(0, whole.size());
  return printable(whole);
}

std::string PrintableStream::finish() { return printable(std::exchange(cut_, "")); }

}  // namespace ingot
