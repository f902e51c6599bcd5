#pragma once
// Borders of documents within text.

#include <string_view>

#include "data/data_config.h"

namespace ingot {

/// Spaces, tabs, newlines and carriage returns alone.
bool is_blank(std::string_view text);

/// A border between documents: text[begin..end-1] belongs to neither. begin == npos: there is none.
struct Border {
  std::size_t begin = std::string_view::npos;
  std::size_t end = std::string_view::npos;
};

/// The first border that begins at `from` or later.
Border next_border(std::string_view text, std::size_t from, const DocumentRule& rule);

/// The end of the last border that begins in 0..limit; 0 if there is none.
std::size_t last_document_end(std::string_view text, std::size_t limit, const DocumentRule& rule);

}  // namespace ingot
