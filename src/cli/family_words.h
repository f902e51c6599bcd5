#pragma once

#include <map>
#include <string>

namespace ingot {

/// What each family of variants is for, and the key of a config that chooses from it: the head of its page in
/// docs/variants.
std::map<std::string, std::string> family_words();

}  // namespace ingot
