#pragma once
// A head in a store, and hidden states with their targets.

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include "objective/objective.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"
#include "support/weights.h"

namespace ingot::testing {

inline constexpr std::int64_t kVocab = 21, kPadded = 32, kWidth = 12;

/// 2 rows of 4 tokens.
struct HeadBatch {
  explicit HeadBatch(at::ScalarType compute, at::ScalarType master = at::kFloat) {
    ParamSpec spec;
    spec.name = "head.weight";
    spec.shape = {kPadded, kWidth};
    spec.roles = Role::kHead;
    spec.fixed_init = normal_init(1);
    spec.fixed_init_name = "normal(0, 1)";
    const ParamScope root(store);
    const auto param = root.declare(spec);
    make_weights(store, store_options(compute, master));
    head = {root.leaf_of(param), kVocab, false};
    hidden = random_normal({2, 4, kWidth}, 3, compute).requires_grad_();
    targets = at::tensor({3, 20, -1, 0, 7, -1, 11, 3}, at::kLong).view({2, 4});
  }

  /// Weight without padding in fp64.
  at::Tensor weight() const { return head.weight.weight().detach().narrow(0, 0, kVocab).to(at::kDouble); }

  ParameterStore store;
  HeadWeights head;
  at::Tensor hidden, targets;
};

/// Every objective of the program.
inline const Families& objective_families() {
  static const auto families = [] {
    auto made = std::make_unique<Families>();
    register_all_objectives(made->add<ObjectiveEntry>());
    return made;
  }();
  return *families;
}

inline std::unique_ptr<Objective> default_objective(const std::string& name, double z_loss = 0) {
  const auto& entry = objective_families().get<ObjectiveEntry>().at(name);
  return entry.make(*entry.defaults, {z_loss});
}

}  // namespace ingot::testing
