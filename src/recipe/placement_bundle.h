#pragma once
// What a placement, a residual rule, a norm or an init brings along.

#include "nn/placement.h"
#include "recipe/run_config.h"

namespace ingot {

class Document;
class Families;

/// What the placement brings; nothing for most.
PlacementBundle bundle_of(const RunConfig& config);

/// Puts residual rule, init and constraints of the placement's `bundle: published`, and what norm, init and residual
/// rule have beside them in their papers, where the document sets none, so that the resolved config names them.
void apply_bundles(const Document& document, const Families& families, RunConfig& config);

}  // namespace ingot
