#include "config/scalar_text.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>
#include <utility>

#include "config/number_text.h"

namespace ingot {
namespace {

// Characters beyond ASCII that YAML 1.1 readers take for line breaks or drop.
constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kUnicodeBreaks = {
    {{"\xC2\x85", "\\N"}, {"\xE2\x80\xA8", "\\L"}, {"\xE2\x80\xA9", "\\P"}, {"\xEF\xBB\xBF", "\\uFEFF"}}};

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

bool needs_escapes(std::string_view text) {
  return std::any_of(text.begin(), text.end(), is_control) ||
         std::any_of(kUnicodeBreaks.begin(), kUnicodeBreaks.end(),
                     [&](const auto& entry) { return text.find(entry.first) != std::string_view::npos; });
}

/// The text would not be one plain scalar.
bool breaks_syntax(std::string_view text) {
  if (text.empty() || text.front() == ' ' || text.back() == ' ') return true;
  if (text.starts_with("---") || text.starts_with("...") || text == "-") return true;
  if (text.starts_with("- ")) return true;
  if (std::string_view("!&*|>@`\"'%#=").find(text.front()) != std::string_view::npos) return true;
  return text.find_first_of(",[]{}:?") != std::string_view::npos || text.find(" #") != std::string_view::npos;
}

std::string single_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("''") : std::string(1, c);
  return out + "'";
}

std::string double_quoted(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const auto* known = std::find_if(kUnicodeBreaks.begin(), kUnicodeBreaks.end(),
                                     [&](const auto& entry) { return text.starts_with(entry.first); });
    if (known != kUnicodeBreaks.end()) {
      out += known->second;
      text.remove_prefix(known->first.size());
      continue;
    }
    const char c = text.front();
    text.remove_prefix(1);
    if (c == '"' || c == '\\') {
      out += std::string("\\") + c;
    } else if (c == '\n' || c == '\t') {
      out += c == '\n' ? "\\n" : "\\t";
    } else if (is_control(c)) {
      std::array<char, 8> buffer;
      std::snprintf(buffer.data(), buffer.size(), "\\x%02X", static_cast<unsigned>(static_cast<unsigned char>(c)));
      out += buffer.data();
    } else {
      out += c;
    }
  }
  return out + "\"";
}

}  // namespace

std::string scalar_text(const Scalar& scalar, bool is_string) {
  const std::string& text = scalar.text;
  if (needs_escapes(text)) return double_quoted(text);
  const bool is_ambiguous = is_string && reads_as_other_type(text);
  return scalar.must_quote || is_ambiguous || breaks_syntax(text) ? single_quoted(text) : text;
}

}  // namespace ingot
