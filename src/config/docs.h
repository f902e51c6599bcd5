#pragma once
// The fields of a variant or a section in words, for `ingot list` and docs/variants.

#include <functional>
#include <string>
#include <vector>

#include "config/fields.h"

namespace ingot {

struct FieldDoc {
  std::string name;           // dotted if it lies in a nested struct
  std::string type;           // "integer", "number", "duration", "a | b", "list of number", "norms variant"
  std::string default_value;  // as in YAML; empty if there is none
  std::string range;          // "> 0", "0..1", or empty
  std::string doc;
  bool is_required = false;
};

std::vector<FieldDoc> docs_of_fields(const std::function<void(Fields&)>& describe);
std::vector<FieldDoc> field_docs(const Entry& entry);

template <class C>
std::vector<FieldDoc> config_docs(const C& defaults = C()) {
  C copy = defaults;
  return docs_of_fields([&copy](Fields& f) { describe(f, copy); });
}

}  // namespace ingot
