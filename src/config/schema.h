#pragma once
// JSON schema (draft-07) for editors: properties, descriptions, defaults, ranges, choices, variants
// by `type`. Keys that a run needs are not marked as required, since a file may be a part that
// others extend.

#include <functional>
#include <string>

#include "config/reader.h"

namespace ingot {

std::string schema_of_fields(const std::string& title, const VariantLookup& lookup,
                             const std::function<void(Fields&)>& describe);

template <class C>
std::string json_schema(const std::string& title, const VariantLookup& lookup, const C& defaults = C()) {
  C copy = defaults;
  return schema_of_fields(title, lookup, [&copy](Fields& f) { describe(f, copy); });
}

}  // namespace ingot
