#pragma once
// Parameter stores for tests.

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "params/store.h"
#include "params/weights_config.h"
#include "registry/variant_text.h"
#include "support/gradcheck.h"
#include "support/variant_cases.h"

namespace ingot::testing {

/// Parametrizations, constraints and inits as the program registers them.
const Families& weight_families();

/// A variant with its default settings, then with each of its samples, as a test parameter.
template <class E>
struct VariantCase {
  Variant<E> variant;
  std::string label;  // "weight_norm", "weight_norm_per_matrix"
};
template <class E>
std::vector<VariantCase<E>> variant_cases() {
  std::vector<VariantCase<E>> out;
  const auto& family = weight_families().get<E>();
  for (const auto& name : family.names()) {
    out.push_back({make_variant<E>(weight_families(), name), name});  // a key may be required where it is written
    const auto texts = settings_of(family.at(name));
    for (std::size_t i = 1; i < texts.size(); ++i) {
      out.push_back({read_variant<E>(texts[i], weight_families(), "sample"), settings_name(texts[i])});
    }
  }
  return out;
}

/// The `weights:` section that `yaml` describes; "{}" is the default. Throws ConfigError.
WeightsConfig weights_config(const std::string& yaml = "{}");

StoreOptions store_options(at::ScalarType compute, at::ScalarType master = at::kFloat);
/// fp64 throughout: what gradient checks need.
inline StoreOptions fp64_options() { return store_options(at::kDouble, at::kDouble); }

/// layout, allocate, initialise.
void make_weights(ParameterStore& store, const StoreOptions& options, const WeightsConfig& config = weights_config(),
                  int num_sublayers = 4, std::uint64_t seed = 1);

/// Every leaf with its gradient buffer, named by its first parameter, for `gradcheck`.
std::vector<CheckedParameter> checked_parameters(const ParameterStore& store);

/// The master of that name. Throws std::out_of_range.
const Master& master_of(const ParameterStore& store, const std::string& name);

}  // namespace ingot::testing
