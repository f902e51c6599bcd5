#pragma once
// Settings that the conformance tests and the benchmarks run a variant with.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/variant.h"

namespace ingot {

class Families;

struct Sample {
  std::string name;  // "gqa_rope"
  std::shared_ptr<const ConfigObject> settings;
};

/// The samples of an entry, variants inside their settings bound. Empty function: the defaults alone. Sizes suit
/// d_model 32.
using Samples = std::function<std::vector<Sample>(const Families& families)>;

}  // namespace ingot
