#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "base/text.h"
#include "model/model_config.h"

namespace ingot {
namespace {

constexpr std::size_t kMaxSublayers =
    4096;  // twice those of the deepest published model (1000 layers, arXiv:2203.00555)

/// Recursive descent over: sequence = { name | number 'x' ( '(' sequence ')' | name ) }.
class PatternParser {
 public:
  PatternParser(const std::string& text, const std::vector<std::string>& names) : text_(text), names_(names) {}

  std::vector<std::string> parse() {
    auto out = sequence(0);
    if (position_ < text_.size()) fail("a ')' without its '('");
    if (out.empty()) fail("no sub-layer, expected operator names such as 'DFMF'");
    return out;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw ConfigError(cat("pattern '", text_, "', character ", position_ + 1, ": ", what));
  }

  void skip_blanks() {
    while (position_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[position_]))) ++position_;
  }

  char peek() {
    skip_blanks();
    return position_ < text_.size() ? text_[position_] : '\0';
  }

  std::vector<std::string> sequence(int level) {
    std::vector<std::string> out;
    while (peek() != '\0' && peek() != ')') {
      auto part = item(level);
      if (out.size() + part.size() > kMaxSublayers) fail(cat("more than ", kMaxSublayers, " sub-layers"));
      out.insert(out.end(), part.begin(), part.end());
    }
    return out;
  }

  std::vector<std::string> item(int level) {
    const char c = peek();
    if (std::isdigit(static_cast<unsigned char>(c))) return repetition(level);
    if (c == '(') return group(level);
    return {name()};
  }

  std::vector<std::string> group(int level) {
    if (level > 50) fail("parentheses nested too deep");
    ++position_;
    auto out = sequence(level + 1);
    if (peek() != ')') fail("expected ')'");
    ++position_;
    if (out.empty()) fail("empty parentheses");
    return out;
  }

  std::vector<std::string> repetition(int level) {
    std::size_t count = 0;
    while (position_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[position_]))) {
      count = count * 10 + static_cast<std::size_t>(text_[position_++] - '0');
      if (count > kMaxSublayers) fail(cat("a repetition of more than ", kMaxSublayers));
    }
    if (peek() != 'x') fail("expected 'x' after the number, as in '3x(DF)'");
    ++position_;
    if (count == 0) fail("a repetition of 0");
    const char next = peek();
    if (next == '\0' || next == ')') fail("expected a name or '(' after 'x'");
    const auto part = item(level);
    if (count * part.size() > kMaxSublayers) fail(cat("more than ", kMaxSublayers, " sub-layers"));
    std::vector<std::string> out;
    for (std::size_t i = 0; i < count; ++i) out.insert(out.end(), part.begin(), part.end());
    return out;
  }

  /// The longest operator name that the text continues with.
  std::string name() {
    std::string best;
    for (const auto& candidate : names_) {
      if (candidate.size() > best.size() && text_.compare(position_, candidate.size(), candidate) == 0) {
        best = candidate;
      }
    }
    if (best.empty()) {
      std::size_t end = position_ + 1;
      while (end < text_.size() && std::islower(static_cast<unsigned char>(text_[end]))) ++end;
      const auto word = text_.substr(position_, end - position_);
      fail(cat("unknown operator '", word, "', expected one of ", join(names_, ", "), did_you_mean(word, names_)));
    }
    position_ += best.size();
    return best;
  }

  const std::string& text_;
  const std::vector<std::string>& names_;
  std::size_t position_ = 0;
};

}  // namespace

std::vector<std::string> expand_pattern(const std::string& pattern, const std::vector<std::string>& operators) {
  return PatternParser(pattern, operators).parse();
}

}  // namespace ingot
