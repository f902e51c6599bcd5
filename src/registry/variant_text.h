#pragma once
// Variants written by hand.

#include <map>
#include <string>

#include "registry/family.h"

namespace ingot {

/// Sets `variant` to what the text describes, as a config would: "{type: gelu, tanh: true}". Variants inside its
/// settings are bound. Throws ConfigError; `source` names the text in messages.
void read_variant(AnyVariant& variant, const std::string& yaml, const Families& families, const std::string& source);

template <class E>
Variant<E> read_variant(const std::string& yaml, const Families& families, const std::string& source) {
  Variant<E> variant;
  read_variant(variant, yaml, families, source);
  return variant;
}

/// "rms_norm {eps: 1.0e-06}", without settings that are unset; the name alone where it is not bound.
std::string variant_text(const AnyVariant& variant);

/// The settings of a bound variant as a dump writes them, by dotted path ("width", "position.theta").
std::map<std::string, std::string> field_values(const AnyVariant& variant);

/// Sets one key of a bound variant's settings as a config would: "score" to "{type: qk_cosine}". Other keys stay.
/// Throws ConfigError.
void set_field(AnyVariant& variant, const std::string& key, const std::string& yaml, const Families& families,
               const std::string& source);
/// Whether its settings have the key, whose value may be a variant or a mapping.
bool has_field(const AnyVariant& variant, const std::string& key);

}  // namespace ingot
