#pragma once
// Reading the config of a run.

#include <string>
#include <vector>

#include "recipe/run_config.h"

namespace ingot {

class Document;
class Families;

enum class UnsetNames { kError, kAccept };

/// Loads a config with its overrides, resolves `like` and `run.dir`, and makes every check that needs no data. Throws
/// one ConfigError with all problems.
RunConfig load_config(const std::string& path, const std::vector<std::string>& overrides, const Families& families,
                      UnsetNames unset = UnsetNames::kError);
RunConfig read_run_config(const Document& document, const Families& families, UnsetNames unset = UnsetNames::kError);

}  // namespace ingot
