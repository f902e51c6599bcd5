#pragma once
// The strict reader: a document into described structs. Unknown, duplicate and missing keys, wrong
// types, values out of range, unknown names: all problems are collected, nothing is thrown.

#include <functional>
#include <string>
#include <vector>

#include "config/document.h"
#include "config/fields.h"
#include "config/problems.h"

namespace ingot {

/// What the reader asks the registry, which lies above it. Implemented in registry/lookup.h.
class VariantLookup {
 public:
  virtual ~VariantLookup() = default;
  /// nullptr if there is no such entry or family.
  virtual const Entry* find(const std::string& family, const std::string& name) const = 0;
  /// In alphabetical order; empty if there is no such family.
  virtual std::vector<std::string> names(const std::string& family) const = 0;
};

struct ReadOptions {
  bool accept_unset_names = false;  // a path with an unset `$NAME` stays as it is written
};

void read_fields(const Document& document, const VariantLookup& lookup, const std::function<void(Fields&)>& describe,
                 Problems& problems, const ReadOptions& options = {});

/// Reads the document into `config`. Absent keys keep the struct's values; every variant with a
/// name is bound, absent ones to the defaults of the struct or of their entry.
template <class C>
void read_config(const Document& document, const VariantLookup& lookup, C& config, Problems& problems,
                 const ReadOptions& options = {}) {
  read_fields(
      document, lookup, [&config](Fields& f) { describe(f, config); }, problems, options);
}

/// Binds the variants of a config made in code, as an empty document would.
template <class C>
void bind_defaults(const VariantLookup& lookup, C& config) {
  const Document document = Document::parse("{}", "defaults");
  Problems problems(document);
  read_config(document, lookup, config, problems);
  problems.throw_if_any();
}

}  // namespace ingot
