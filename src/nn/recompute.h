#pragma once
// What the backward pass computes again.

#include <string>
#include <utility>
#include <vector>

#include "config/enum_codec.h"

namespace ingot {

/// none: everything that a sub-layer's backward pass reads is kept from the forward pass.
/// selective: between two products of a sub-layer only the first one's output is kept; convolutions, activations, norms
///   and the core of a mixer run again (Korthikanti et al. 2022, arXiv:2205.05198, section 5, carried over to
///   recurrences).
/// full: only a sub-layer's input is kept; all of it runs again (Chen et al. 2016, arXiv:1604.06174).
enum class Recompute { kNone, kSelective, kFull };

inline std::vector<std::pair<std::string, Recompute>> enum_names(Recompute) {
  return {{"none", Recompute::kNone}, {"selective", Recompute::kSelective}, {"full", Recompute::kFull}};
}
template <>
struct Codec<Recompute> : EnumCodec<Recompute> {};

}  // namespace ingot
