#pragma once
// Choosing the type of matrix products by measuring them.

#include "params/store.h"

namespace ingot {

/// Seconds that the linear layers of one micro-batch take, forward and backward, in each type.
struct PrecisionProbe {
  double float32_seconds = 0;
  double bfloat16_seconds = 0;
  bool prefers_bfloat16() const { return bfloat16_seconds < 0.9 * float32_seconds; }
};

/// Times products of the shapes that the declared parameters have, with `tokens` rows. Takes about a second; large
/// products are timed with fewer rows and scaled.
PrecisionProbe probe_precision(const ParameterStore& store, std::int64_t tokens);

}  // namespace ingot
