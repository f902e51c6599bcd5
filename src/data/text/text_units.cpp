#include "data/text/text_units.h"

#include "data/text/utf8.h"

namespace ingot {
namespace {

/// Length of the special character or invalid byte that begins `text`; 0 if it begins with a plain character, whose
/// length then is in `plain`.
std::size_t special_length(std::string_view text, std::size_t& plain) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) {
    plain = 1;
    return first == 0 || first == '\t' ? 1 : 0;
  }
  plain = code_point_length(text);
  if (plain == 0) return 1;
  if (plain != 3 || first != 0xE2) return 0;
  const char32_t c = decode_code_point(text, plain);
  return c == 0x2581 || c == 0x2585 ? plain : 0;
}

}  // namespace

std::size_t word_length(std::string_view text, std::size_t limit) {
  std::size_t i = 0;
  while (i < text.size() && text[i] == ' ') ++i;
  while (i < text.size()) {
    if (text[i] == ' ') break;
    if (i > 0 && text[i - 1] == '\n' && text[i] != '\n') break;
    ++i;
  }
  if (i <= limit) return i;
  const std::size_t cut = utf8_boundary(text, limit);
  return cut > 0 ? cut : limit;
}

PlainRun plain_run(std::string_view text) {
  PlainRun run;
  std::size_t plain = 0;
  run.is_plain = special_length(text, plain) == 0;
  while (run.length < text.size()) {
    const std::size_t special = special_length(text.substr(run.length), plain);
    if ((special == 0) != run.is_plain) break;
    run.length += special == 0 ? plain : special;
  }
  return run;
}

}  // namespace ingot
