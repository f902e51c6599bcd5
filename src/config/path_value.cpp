#include "config/path_value.h"

#include <cctype>
#include <cstdlib>

namespace ingot {
namespace {

bool is_name_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

}  // namespace

ExpandedPath expand_path(const Scalar& scalar, const fs::path& folder) {
  const std::string& text = scalar.text;
  if (text == "~" || text.starts_with("~/")) return {text, "", "'~' is not expanded, write $HOME" + text.substr(1)};
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const bool is_braced = text.compare(i, 2, "${") == 0;
    std::size_t begin = i + (is_braced ? 2 : 1), end = begin;
    while (end < text.size() && is_name_char(text[end])) ++end;
    if (text[i] != '$' || end == begin) {
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
  return {(folder / out).lexically_normal().string(), "", ""};
}

}  // namespace ingot
