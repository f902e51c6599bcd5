#pragma once
// Writing described structs: the resolved config, flat lists of values, differences.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "config/fields.h"

namespace ingot {

/// How paths are written: so that reading them gives the path again, with `$$` for each '$', or as they are, which is
/// right for those that hold an unset `$NAME`.
enum class PathText { kAsRead, kPlain };

/// YAML of every field, which reads back to the same struct, here and in PyYAML. Small mappings and
/// lists take one line.
std::string dump_fields(const std::function<void(Fields&)>& describe, PathText paths = PathText::kAsRead);

template <class C>
std::string dump_config(const C& config, PathText paths = PathText::kAsRead) {
  C copy = config;
  return dump_fields([&copy](Fields& f) { describe(f, copy); }, paths);
}

/// One value of a config.
struct FlatField {
  std::string path;                               // "model.norm.eps", "optim.groups.0.name"
  std::string value;                              // as the dump writes it
  FieldClass field_class = FieldClass::kNumeric;  // never kInherit: fields without a mark take their parent's
};

std::vector<FlatField> flatten_fields(const std::function<void(Fields&)>& describe);

template <class C>
std::vector<FlatField> flatten(const C& config) {
  C copy = config;
  return flatten_fields([&copy](Fields& f) { describe(f, copy); });
}

struct Difference {
  std::string path;
  std::optional<std::string> before, after;  // nullopt: the field is absent on that side
  FieldClass field_class = FieldClass::kNumeric;
};

/// In the order of `before`, then what is new in `after`.
std::vector<Difference> diff(const std::vector<FlatField>& before, const std::vector<FlatField>& after);

/// Sixteen hex digits of the numeric fields, independent of the order of fields and of fields of
/// other classes.
std::string numeric_hash(const std::vector<FlatField>& fields);

}  // namespace ingot
