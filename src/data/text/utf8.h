#pragma once
// Where text in UTF-8 is cut for the tokenizers.

#include "base/utf8.h"

namespace ingot {

/// Where text longer than `limit` bytes is cut, so that a tokenizer that works word by word gives the same ids for the
/// parts as for the whole: the start of the last line in it, else the last start of a run of spaces, else the last code
/// point. In 1..limit; depends on nothing but the first `limit` + 4 bytes. Precondition: text.size() > limit >= 4.
std::size_t cut_position(std::string_view text, std::size_t limit);

}  // namespace ingot
