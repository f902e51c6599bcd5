#pragma once
// Variants nested in settings.

#include <stdexcept>

#include "registry/family.h"

namespace ingot {

/// `variant` bound to its entry. Settings that were never read from a config hold names only; these get the entry's
/// defaults.
template <class E>
Variant<E> bound(Variant<E> variant, const Families* families) {
  if (variant.bound()) return variant;
  if (families == nullptr) throw std::logic_error("a variant is not bound: " + variant.name());
  return make_variant<E>(*families, variant.name());
}

}  // namespace ingot
