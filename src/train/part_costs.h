#pragma once
// Measuring what the parts of a model cost on this machine.
//
// Each kind of sub-layer (same operator, norms, factors) runs alone between an embedding and the final norm, on a few
// short rows of two sizes. Bytes are affine in the tokens of a micro-batch, so two sizes tell them for any; a whole
// model is then put together from its parts. Nothing about an operator has to be declared for this, so it holds for
// every variant, with any recompute policy.

#include "train/setup.h"

namespace ingot {

/// Takes memory for one sub-layer, and from milliseconds to a few seconds.
ModelCosts measure_costs(const TrainSetup& setup, const Families& families, Measure measure);

}  // namespace ingot
