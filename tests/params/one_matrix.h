#pragma once
// A model of one matrix "weight", for tests of penalties.

#include <string>
#include <utility>
#include <vector>

#include "support/weights.h"

namespace ingot::testing {

struct OneMatrix {
  OneMatrix(const std::string& yaml, std::vector<std::int64_t> shape, Role role = Role::kInner) {
    ParamSpec spec;
    spec.name = "weight";
    spec.shape = std::move(shape);
    spec.roles = role;
    ParamScope(store).declare(spec);
    make_weights(store, fp64_options(), weights_config(yaml));
  }
  at::Tensor value() const { return master_of(store, "weight").value; }
  at::Tensor grad() const { return master_of(store, "weight").grad; }
  /// Value of the penalties; their gradients times `scale` are in `grad()`.
  double penalise(double scale = 1) {
    store.zero_grads();
    const double value = store.penalise(scale).item<double>();
    store.pull_back();
    return value;
  }

  ParameterStore store;
};

}  // namespace ingot::testing
