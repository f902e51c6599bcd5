#include "data/shards/path_json.h"

#include "base/utf8.h"

namespace ingot {
namespace {

constexpr const char* kBytes = "bytes";
constexpr std::string_view kDigits = "0123456789abcdef";

}  // namespace

nlohmann::json path_to_json(const fs::path& path) {
  const std::string& text = path.native();
  if (valid_utf8_prefix(text) == text.size()) return text;
  std::string hex;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    hex += kDigits[byte / 16];
    hex += kDigits[byte % 16];
  }
  return {{kBytes, hex}};
}

fs::path path_from_json(const JsonValue& value) {
  if (!value.is_object()) return value.text();
  std::string bytes;
  int high = -1;
  for (const char c : value.at(kBytes).text()) {
    const auto digit = static_cast<int>(kDigits.find(c));  // what is no digit makes a path that does not exist
    if (high >= 0) bytes += static_cast<char>(16 * high + digit);
    high = high >= 0 ? -1 : digit;
  }
  return bytes;
}

}  // namespace ingot
