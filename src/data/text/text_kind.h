#pragma once
// What a file holds, told by its first bytes.

#include <string>
#include <string_view>

#include "base/files.h"

namespace ingot {

/// The first `size` bytes of a file, unpacked; fewer if it is shorter. Throws DataError.
std::string read_head(const fs::path& path, std::size_t size);

/// What bytes that are no text in UTF-8 seem to begin, and what to do about it, such as "it seems to be text in UTF-16:
/// convert it, as with iconv -f UTF-16 -t UTF-8"; "" if it is nothing known.
std::string describe_foreign(std::string_view head);

/// How a text that begins like this uses JSON: a line for each object, another form (a list, an object over several
/// lines), or not at all. An object in a line that `head` cuts off counts as a line.
enum class JsonUse { kNone, kLines, kDocument };
JsonUse json_use(std::string_view head);

/// Whether these bytes can begin a text: no NUL, and UTF-8 up to a code point that is cut off.
bool is_text(std::string_view head);

}  // namespace ingot
