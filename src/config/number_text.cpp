#include "config/number_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/text.h"

namespace ingot {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

struct Suffix {
  const char* text;
  const char* exponent;  // appended to the digits, so that the product is rounded once
  double factor;
  bool is_binary;
};

// Longer suffixes first: "Mi" ends in "i", but no suffix is the tail of another.
constexpr std::array<Suffix, 8> kSuffixes = {{{"Ti", "", 0x1p40, true},
                                              {"Gi", "", 0x1p30, true},
                                              {"Mi", "", 0x1p20, true},
                                              {"Ki", "", 0x1p10, true},
                                              {"T", "e12", 1e12, false},
                                              {"B", "e9", 1e9, false},
                                              {"M", "e6", 1e6, false},
                                              {"k", "e3", 1e3, false}}};

constexpr std::array<const char*, 6> kBools = {"yes", "no", "on", "off", "true", "false"};

/// `text` is `word` in lower case, capitalised, or in upper case.
bool is_spelling_of(std::string_view text, std::string_view word) {
  if (text.size() != word.size() || text.empty()) return false;
  const auto upper = [](char c) { return static_cast<char>(c - 'a' + 'A'); };
  if (text == word) return true;
  if (text[0] != upper(word[0])) return false;
  if (text.substr(1) == word.substr(1)) return true;
  return std::equal(text.begin(), text.end(), word.begin(), [&](char a, char b) { return a == upper(b); });
}

}  // namespace

std::optional<double> parse_decimal(std::string_view text) {
  if (text.empty() || !is_digit(text[0])) return std::nullopt;
  if (text.size() > 1 && text[0] == '0' && is_digit(text[1])) return std::nullopt;
  double value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> parse_quantity(std::string_view text) {
  for (const Suffix& suffix : kSuffixes) {
    if (!text.ends_with(suffix.text)) continue;
    text.remove_suffix(std::string_view(suffix.text).size());
    if (text.empty() || !is_digit(text.back())) return std::nullopt;
    if (text.find_first_of("eE") != std::string_view::npos) return std::nullopt;
    const auto value = parse_decimal(suffix.is_binary ? std::string(text) : std::string(text) + suffix.exponent);
    if (!value) return std::nullopt;
    return suffix.is_binary ? *value * suffix.factor : *value;
  }
  return parse_decimal(text);
}

std::string plain_number(double value) {
  std::string text = format_double(value);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text;
}

std::string format_quantity(double value) {
  std::string best = plain_number(value);
  if (!(std::abs(value) >= 1e5)) return best;
  for (const Suffix& suffix : kSuffixes) {
    const double scaled = value / suffix.factor;
    if (scaled < 1 || (suffix.is_binary && scaled != std::floor(scaled))) continue;
    const std::string text = plain_number(scaled) + suffix.text;
    if (text.size() < best.size() && parse_quantity(text) == value) best = text;
  }
  return best;
}

bool reads_as_bool(std::string_view text) {
  return std::any_of(kBools.begin(), kBools.end(), [&](const char* word) { return is_spelling_of(text, word); });
}

bool reads_as_other_type(std::string_view text) {
  if (text.empty() || text == "~" || is_spelling_of(text, "null") || reads_as_bool(text)) return true;
  if (text.front() == '=' || text == "<<") return true;
  // Numbers, dates and times of YAML 1.1: a sign, a digit or a point first, and nothing but what numbers consist of.
  const std::string_view digits = text.substr(text.front() == '-' || text.front() == '+' ? 1 : 0);
  if (digits.empty()) return false;
  const bool is_special = digits[0] == '.' && (is_spelling_of(digits.substr(1), "inf") || digits == ".nan" ||
                                               digits == ".NaN" || digits == ".NAN" || digits == ".Inf");
  if (is_special) return true;
  if (!is_digit(digits[0]) && digits[0] != '.') return false;
  if (digits.find(' ') != std::string_view::npos && digits.find(':') == std::string_view::npos) return false;
  return digits.find_first_not_of("0123456789.eE+-_:xXabcdefABCDEFtTzZo ") == std::string_view::npos;
}

}  // namespace ingot
