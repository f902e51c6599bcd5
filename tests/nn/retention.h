#pragma once
// A third recurrent mixer, for tests alone: it shows that the frame of nn/recurrent_mixer.h suffices for one that has
// no convolution, no chunks and a core of its own.

#include "nn/branch.h"

namespace ingot::testing {

void register_retention(Family<MixerEntry>& family);

}  // namespace ingot::testing
