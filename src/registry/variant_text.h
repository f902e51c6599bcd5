#pragma once
// Variants written by hand.

#include <string>

#include "registry/family.h"

namespace ingot {

/// Sets `variant` to what the text describes, as a config would: "{type: gelu, tanh: true}". Variants inside its settings
/// are bound. Throws ConfigError; `source` names the text in messages.
void read_variant(AnyVariant& variant, const std::string& yaml, const Families& families, const std::string& source);

template <class E>
Variant<E> read_variant(const std::string& yaml, const Families& families, const std::string& source) {
  Variant<E> variant;
  read_variant(variant, yaml, families, source);
  return variant;
}

}  // namespace ingot
