#pragma once
// YAML text into nodes; internal to document.cpp.

#include <memory>
#include <string>
#include <vector>

#include "config/document.h"

namespace ingot {

/// Text of one YAML document. Anchors, aliases and merge keys are resolved. Duplicate keys are added to `problems`;
/// what is no YAML throws ConfigError with the place. An empty text is a node of kind kNull. In an override '#' is a
/// character. `nodes_left` is how many nodes the document may still have, copies by aliases included.
Node parse_yaml(const std::string& text, const std::shared_ptr<const Source>& source, std::vector<Misplaced>& problems,
                std::size_t& nodes_left);

}  // namespace ingot
