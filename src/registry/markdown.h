#pragma once
// The registry in words.

#include <map>
#include <string>

#include "registry/family.h"

namespace ingot {

/// The first line of each page.
inline constexpr const char* kGeneratedPage =
    "<!-- Made by `ingot list --markdown docs/variants` from the sources: changes here are lost. -->";

/// docs/variants by file name: a page for each family, its variants with summary, paper and fields, and README.md,
/// which lists the families. `words` says of each family what it is for and which key of a config chooses from it; a
/// family without is a std::logic_error.
std::map<std::string, std::string> variants_pages(const Families& families,
                                                  const std::map<std::string, std::string>& words);

/// {family: [{name, summary, paper, fields: [{name, type, default, range, doc}]}]}; all families,
/// or the named one. Throws ConfigError for an unknown family.
std::string variants_json(const Families& families, const std::string& family = "");

/// Names and summaries as aligned text for a terminal; with a family also the fields.
std::string variants_text(const Families& families, const std::string& family = "");

}  // namespace ingot
