#include "data/text/utf8.h"

namespace ingot {

std::size_t cut_position(std::string_view text, std::size_t limit) {
  const std::string_view head = text.substr(0, limit + 1);
  // A line starts after a run of newlines; text[i] for i <= limit is known.
  for (std::size_t i = limit; i > 0; --i) {
    if (head[i - 1] == '\n' && head[i] != '\n') return i;
  }
  for (std::size_t i = limit; i > 0; --i) {
    if (head[i] == ' ' && head[i - 1] != ' ') return i;
  }
  const std::size_t i = utf8_boundary(text, limit);
  return i > 0 ? i : limit;
}

}  // namespace ingot
