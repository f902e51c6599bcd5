#pragma once
// What a placement, a residual rule, a norm or an init brings along, and what it takes away from other settings.

#include <string>
#include <vector>

#include "train/config.h"

namespace ingot {

class Document;
struct Experiment;

/// Puts residual rule, init and constraints of the placement's `bundle: published`, and what norm, init and residual rule have
/// beside them in their papers, where the document sets none, so that the resolved config names them.
void apply_bundles(const Document& document, const Families& families, RunConfig& config);

/// Settings that together do nothing, or not what they say, each with its reason.
std::vector<std::string> config_warnings(const Experiment& experiment);

}  // namespace ingot
