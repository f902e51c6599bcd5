#pragma once
// Paths in JSON, which is UTF-8: names of files that are not are kept byte by byte.

#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/json.h"

namespace ingot {

/// The path as a string; where it is not UTF-8, {"bytes": hex digits}.
nlohmann::json path_to_json(const fs::path& path);
/// Throws as the values of base/json.h do if it is no path.
fs::path path_from_json(const JsonValue& value);

}  // namespace ingot
