#include "support/weights.h"

#include <memory>
#include <stdexcept>

#include "config/document.h"
#include "config/reader.h"
#include "registry/lookup.h"

namespace ingot::testing {

const Families& weight_families() {
  static const auto families = [] {
    auto made = std::make_unique<Families>();
    register_all_parametrizations(made->add<ParametrizationEntry>());
    register_all_constraints(made->add<ConstraintEntry>());
    register_all_penalties(made->add<PenaltyEntry>());
    register_all_inits(made->add<InitEntry>());
    register_all_scalings(made->add<ScalingEntry>());
    return made;
  }();
  return *families;
}

WeightsConfig weights_config(const std::string& yaml) {
  const FamiliesLookup lookup(weight_families());
  const auto document = Document::parse(yaml, "test");
  Problems problems(document);
  WeightsConfig config;
  read_config(document, lookup, config, problems);
  problems.throw_if_any();
  return config;
}

StoreOptions store_options(at::ScalarType compute, at::ScalarType master) {
  StoreOptions options;
  options.compute_dtype = compute;
  options.master_dtype = master;
  return options;
}

void make_weights(ParameterStore& store, const StoreOptions& options, const WeightsConfig& config, int num_sublayers,
                  std::uint64_t seed) {
  store.layout(config, num_sublayers, options);
  store.allocate();
  store.initialise(seed);
}

std::vector<CheckedParameter> checked_parameters(const ParameterStore& store) {
  std::vector<CheckedParameter> out;
  for (const auto& leaf : store.leaves()) out.push_back({"", leaf.weight(), leaf.grad()});
  const auto infos = store.parameters();
  std::size_t first = 0, i = 0;
  for (const auto& leaf : store.leaves()) {
    out[i++].name = infos.at(first)->name;
    first += leaf.rows().size();
  }
  return out;
}

const Master& master_of(const ParameterStore& store, const std::string& name) {
  for (const Master& master : store.masters()) {
    if (master.name == name) return master;
  }
  throw std::out_of_range("no master is named " + name);
}

}  // namespace ingot::testing
