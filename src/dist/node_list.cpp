#include "dist/node_list.h"

#include <charconv>
#include <cstdint>

#include "base/error.h"
#include "base/text.h"

namespace ingot {
namespace {

constexpr std::int64_t kMostHosts = 1'000'000;

std::int64_t number_of(std::string_view digits, std::string_view whole) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size() || value < 0) {
    throw ConfigError(cat("'", whole, "': expected a number, got '", digits, "'"));
  }
  return value;
}

/// Parts between commas that are not inside brackets.
std::vector<std::string_view> split_outside_brackets(std::string_view text) {
  std::vector<std::string_view> parts;
  std::size_t start = 0;
  int open = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i == text.size() || (text[i] == ',' && open == 0)) {
      if (i > start) parts.push_back(text.substr(start, i - start));
      start = i + 1;
    } else if (text[i] == '[') {
      ++open;
    } else if (text[i] == ']') {
      --open;
    }
    if (open < 0 || open > 1) break;
  }
  if (open != 0) throw ConfigError(cat("node list '", text, "': brackets do not match"));
  return parts;
}

/// "01-03,7" -> 01 02 03 7; a range keeps the width of its start.
std::vector<std::string> expand_ranges(std::string_view text) {
  std::vector<std::string> out;
  for (const auto part : split_outside_brackets(text)) {
    const auto dash = part.find('-');
    const auto first = part.substr(0, dash);
    const auto last = dash == std::string_view::npos ? first : part.substr(dash + 1);
    const auto begin = number_of(first, part), end = number_of(last, part);
    if (end < begin || end - begin > kMostHosts) throw ConfigError(cat("node list: '", part, "' is not a range"));
    for (auto n = begin; n <= end; ++n) {
      auto digits = std::to_string(n);
      if (digits.size() < first.size()) digits.insert(0, first.size() - digits.size(), '0');
      out.push_back(std::move(digits));
    }
  }
  return out;
}

std::vector<std::string> expand_name(std::string_view name) {
  const auto open = name.find('[');
  if (open == std::string_view::npos) return {std::string(name)};
  const auto close = name.find(']', open);
  std::vector<std::string> out;
  const auto rests = expand_name(name.substr(close + 1));
  for (const auto& number : expand_ranges(name.substr(open + 1, close - open - 1))) {
    for (const auto& rest : rests) out.push_back(cat(name.substr(0, open), number, rest));
  }
  return out;
}

}  // namespace

std::vector<std::string> expand_node_list(std::string_view text) {
  std::vector<std::string> out;
  for (const auto name : split_outside_brackets(text)) {
    for (auto& host : expand_name(name)) out.push_back(std::move(host));
  }
  return out;
}

std::vector<int> expand_task_counts(std::string_view text) {
  std::vector<int> out;
  for (const auto part : split_outside_brackets(text)) {
    const auto open = part.find("(x");
    const auto count = number_of(part.substr(0, open), text);
    std::int64_t nodes = 1;
    if (open != std::string_view::npos) {
      if (part.back() != ')') throw ConfigError(cat("tasks per node '", text, "': a bracket is not closed"));
      nodes = number_of(part.substr(open + 2, part.size() - open - 3), text);
    }
    if (nodes > kMostHosts) throw ConfigError(cat("tasks per node '", text, "': too many nodes"));
    out.insert(out.end(), static_cast<std::size_t>(nodes), static_cast<int>(count));
  }
  return out;
}

}  // namespace ingot
