#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "config/number_text.h"
#include "config/units.h"

namespace ingot {
namespace {

std::optional<DepthRange::End> parse_end(std::string_view text) {
  text = trim(text);
  const bool is_percent = text.ends_with('%');
  if (is_percent) text.remove_suffix(1);
  const bool is_negative = !is_percent && text.starts_with('-');
  if (is_negative) text.remove_prefix(1);
  const auto value = parse_decimal(text);
  if (!value || (is_percent ? *value > 100 : *value != std::floor(*value) || *value > 1e9)) return std::nullopt;
  return DepthRange::End{is_negative && *value != 0 ? -*value : *value, is_percent};
}

std::string end_text(const DepthRange::End& end) { return plain_number(end.value) + (end.is_percent ? "%" : ""); }

/// Index of the first sub-layer at or past the share; a hair of tolerance for shares such as 33.3%.
std::int64_t at_share(double percent, std::int64_t count) {
  return static_cast<std::int64_t>(std::ceil(percent * static_cast<double>(count) / 100 - 1e-9));
}

}  // namespace

std::pair<std::int64_t, std::int64_t> DepthRange::resolve(std::int64_t count) const {
  const auto index = [count](const End& end) {
    const auto value = static_cast<std::int64_t>(end.value);
    return value < 0 ? value + count : value;
  };
  const std::int64_t begin = first.is_percent ? at_share(first.value, count) : index(first);
  const std::int64_t end = last.is_percent ? at_share(last.value, count) - 1 : index(last);
  return {std::max<std::int64_t>(begin, 0), std::min(end, count - 1)};
}

bool DepthRange::contains(std::int64_t index, std::int64_t count) const {
  const auto [begin, end] = resolve(count);
  return begin <= index && index <= end;
}

std::string Codec<DepthRange>::expected() { return "sub-layers such as '3', '0..5', '-2..-1' or '0%..25%'"; }
bool Codec<DepthRange>::parse(const Scalar& scalar, DepthRange& v) {
  const std::size_t dots = scalar.text.find("..");
  if (dots == std::string::npos) {
    const auto end = parse_end(scalar.text);
    if (!end || end->is_percent) return false;
    v = {*end, *end};
    return true;
  }
  const auto first = parse_end(std::string_view(scalar.text).substr(0, dots));
  const auto last = parse_end(std::string_view(scalar.text).substr(dots + 2));
  if (!first || !last) return false;
  // Ends of one kind can be compared without knowing the depth; a reversed range is a slip.
  const bool is_comparable = first->is_percent == last->is_percent && (first->value < 0) == (last->value < 0);
  const bool is_empty = first->is_percent ? first->value >= last->value : first->value > last->value;
  if (is_comparable && is_empty) return false;
  v = {*first, *last};
  return true;
}
Scalar Codec<DepthRange>::format(const DepthRange& v) {
  if (v.first == v.last && !v.first.is_percent) return {end_text(v.first)};
  return {end_text(v.first) + ".." + end_text(v.last)};
}
const char* Codec<DepthRange>::json_type() { return ""; }
std::optional<double> Codec<DepthRange>::number(const DepthRange&) { return std::nullopt; }

}  // namespace ingot
