// Codecs of the basic types.
#include <charconv>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "config/fields.h"
#include "config/number_text.h"

namespace ingot {

std::string range_text(const Rule& rule) {
  const bool has_low = std::isfinite(rule.low), has_high = std::isfinite(rule.high);
  const std::string low = (rule.low_open ? "> " : ">= ") + plain_number(rule.low);
  const std::string high = (rule.high_open ? "< " : "<= ") + plain_number(rule.high);
  if (has_low && has_high && !rule.low_open && !rule.high_open) {
    return plain_number(rule.low) + ".." + plain_number(rule.high);
  }
  if (has_low && has_high) return low + " and " + high;
  return has_low ? low : has_high ? high : "";
}

bool in_range(const Rule& rule, double value) {
  const bool is_high_enough = rule.low_open ? value > rule.low : value >= rule.low;
  const bool is_low_enough = rule.high_open ? value < rule.high : value <= rule.high;
  const bool has_no_low = rule.low == -std::numeric_limits<double>::infinity();
  const bool has_no_high = rule.high == std::numeric_limits<double>::infinity();
  return (has_no_low || is_high_enough) && (has_no_high || is_low_enough);
}

std::string Codec<bool>::expected() { return "true or false"; }
bool Codec<bool>::parse(const Scalar& scalar, bool& v) {
  if (scalar.quoted || (scalar.text != "true" && scalar.text != "false")) return false;
  v = scalar.text == "true";
  return true;
}
Scalar Codec<bool>::format(const bool& v) { return {v ? "true" : "false"}; }
const char* Codec<bool>::json_type() { return "boolean"; }
std::optional<double> Codec<bool>::number(const bool&) { return std::nullopt; }

std::string Codec<std::int64_t>::expected() { return "an integer"; }
bool Codec<std::int64_t>::parse(const Scalar& scalar, std::int64_t& v) {
  if (scalar.quoted) return false;
  const char* begin = scalar.text.data();
  const char* end = begin + scalar.text.size();
  const char* digits = begin != end && *begin == '-' ? begin + 1 : begin;
  if (end - digits > 1 && *digits == '0') return false;
  const auto result = std::from_chars(begin, end, v);
  return result.ec == std::errc() && result.ptr == end;
}
Scalar Codec<std::int64_t>::format(const std::int64_t& v) { return {std::to_string(v)}; }
const char* Codec<std::int64_t>::json_type() { return "integer"; }
std::optional<double> Codec<std::int64_t>::number(const std::int64_t& v) { return static_cast<double>(v); }

std::string Codec<double>::expected() { return "a number"; }
bool Codec<double>::parse(const Scalar& scalar, double& v) {
  if (scalar.quoted || scalar.text.empty()) return false;
  std::string_view text = scalar.text;
  const bool is_negative = text[0] == '-';
  if (is_negative || text[0] == '+') text.remove_prefix(1);
  std::optional<double> value;
  if (text == ".inf") {
    value = std::numeric_limits<double>::infinity();
  } else if (text.starts_with('.')) {
    value = parse_decimal(cat("0", text));
  } else {
    value = parse_decimal(text);
  }
  if (!value) return false;
  v = is_negative ? -*value : *value;
  return true;
}
Scalar Codec<double>::format(const double& v) {
  if (std::isinf(v)) return {v < 0 ? "-.inf" : ".inf"};
  return {std::isnan(v) ? ".nan" : format_double(v)};
}
const char* Codec<double>::json_type() { return "number"; }
std::optional<double> Codec<double>::number(const double& v) { return v; }

std::string Codec<std::string>::expected() { return "text"; }
bool Codec<std::string>::parse(const Scalar& scalar, std::string& v) {
  const bool is_padded = scalar.text.size() > 1 && scalar.text[0] == '0' &&
                         scalar.text.find_first_not_of("0123456789") == std::string::npos;
  if (!scalar.quoted && (reads_as_bool(scalar.text) || is_padded)) return false;
  v = scalar.text;
  return true;
}
Scalar Codec<std::string>::format(const std::string& v) { return {v, true}; }
const char* Codec<std::string>::json_type() { return "string"; }
std::optional<double> Codec<std::string>::number(const std::string&) { return std::nullopt; }

}  // namespace ingot
