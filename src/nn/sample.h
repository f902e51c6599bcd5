#pragma once
// Settings that the conformance tests and the benchmarks run a variant with.

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
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

/// Of an entry with settings C in which no variants nest: {{"default", {}}, {"no_bias", {.bias = false}}}.
template <class C>
Samples named_samples(std::initializer_list<std::pair<std::string, C>> list) {
  std::vector<Sample> out;
  for (const auto& [name, config] : list) out.push_back({name, std::make_shared<ConfigBox<C>>(config)});
  return [out](const Families&) { return out; };
}

}  // namespace ingot
