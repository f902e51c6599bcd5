#pragma once
// Values of path fields; internal to config.

#include <string>

#include "config/document.h"

namespace ingot {

struct ExpandedPath {
  std::string text;
  std::string unset;    // name of the first variable that is not set
  std::string problem;  // what is wrong with the text itself
};

/// Expands `$NAME` (also `${NAME}` in quotes), takes `$$` for a '$', and makes the path absolute, relative to `folder`.
/// With an unset name the text stays as it is.
ExpandedPath expand_path(const Scalar& scalar, const fs::path& folder);
/// The text that expands to `path`.
std::string written_path(const std::string& path);

}  // namespace ingot
