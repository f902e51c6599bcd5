#pragma once
// The registry in words.

#include <string>

#include "registry/family.h"

namespace ingot {

/// configs/VARIANTS.md: every family and variant with its summary, paper and fields.
std::string variants_markdown(const Families& families);

/// {family: [{name, summary, paper, fields: [{name, type, default, range, doc}]}]}; all families,
/// or the named one. Throws ConfigError for an unknown family.
std::string variants_json(const Families& families, const std::string& family = "");

/// Names and summaries as aligned text for a terminal; with a family also the fields.
std::string variants_text(const Families& families, const std::string& family = "");

}  // namespace ingot
