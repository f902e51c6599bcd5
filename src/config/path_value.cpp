#include "config/path_value.h"

#include <cctype>
#include <cstdlib>

#include "base/utf8.h"

namespace ingot {
namespace {

bool is_name_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }
/// No variable's name begins with a digit: the '$' of `price$5` is a character.
bool begins_name(char c) { return is_name_char(c) && std::isdigit(static_cast<unsigned char>(c)) == 0; }

}  // namespace

ExpandedPath expand_path(const Scalar& scalar, const fs::path& folder) {
  const std::string& text = scalar.text;
  if (text == "~" || text.starts_with("~/")) return {text, "", "'~' is not expanded, write $HOME" + text.substr(1)};
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '$') {
      out += text[i++];
      continue;
    }
    if (text.compare(i, 2, "$$") == 0) {
      out += '$';
      i += 2;
      continue;
    }
    const bool is_braced = text.compare(i, 2, "${") == 0;
    std::size_t begin = i + (is_braced ? 2 : 1), end = begin;
    while (end < text.size() && (end == begin ? begins_name(text[end]) : is_name_char(text[end]))) ++end;
    if (end == begin) {
      out += text[i++];
      continue;
    }
    if (is_braced && (end == text.size() || text[end] != '}')) return {text, "", "'${' without a name and '}'"};
    const std::string name = text.substr(begin, end - begin);
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return {text, name, ""};
    out += value;
    i = end + (is_braced ? 1 : 0);
  }
  if (out.empty()) return {};
  if (valid_utf8_prefix(out) != out.size()) return {text, "", "its value is not in UTF-8, as configs are"};
  return {(folder / out).lexically_normal().string(), "", ""};
}

std::string written_path(const std::string& path) {
  std::string out;
  for (const char c : path) out += c == '$' ? std::string("$$") : std::string(1, c);
  return out;
}

}  // namespace ingot
