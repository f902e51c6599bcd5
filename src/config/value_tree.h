#pragma once
// A described struct as a tree of texts: what dump, flatten, docs and schema defaults are made from; internal to
// config.

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "config/dump.h"
#include "config/fields.h"

namespace ingot {

struct ValueNode {
  enum class Kind { kLeaf, kList, kMap };
  Kind kind = Kind::kLeaf;
  FieldClass field_class = FieldClass::kNumeric;
  Scalar scalar;          // of a leaf
  std::string json_type;  // of a leaf, as Codec::json_type; "null" for an absent optional value
  std::vector<ValueNode> items;
  std::vector<std::pair<std::string, ValueNode>> members;

  const ValueNode* member(const std::string& key) const;
  /// The value in one line of YAML.
  std::string flow() const;
};

/// Variants without a name, which have no value to write, are left out.
ValueNode value_tree(const std::function<void(Fields&)>& describe, PathText paths = PathText::kPlain);

}  // namespace ingot
