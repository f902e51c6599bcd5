#pragma once
// What the gains of a parametrization start with.

#include "config/fields.h"

namespace ingot {

enum class GainStart { kWeight, kOne };

inline void describe(Fields& f, GainStart& start) {
  f.choice("start", start, {{"weight", GainStart::kWeight}, {"one", GainStart::kOne}},
           "what the gains start with: the sizes that the start weight has, or 1");
}

}  // namespace ingot
