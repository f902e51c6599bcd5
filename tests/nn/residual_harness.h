#pragma once
// Residual rules outside a model, with parameters of their own.

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "base/text.h"
#include "nn/harness.h"
#include "nn/residual.h"
#include "support/tolerance.h"

namespace ingot::testing {

struct BuiltResidual {
  std::unique_ptr<Residual> rule;
  std::unique_ptr<Harness> harness;

  /// A parameter's value by its name, "0.residual.scale".
  at::Tensor param(const std::string& name) const { return harness->params().at(name); }
  /// The stream after branches [B, T, D] have joined one by one, sub-layer 0 first.
  Stream after(const at::Tensor& x, const std::vector<at::Tensor>& branches) const {
    Stream stream = rule->begin(x);
    for (std::size_t i = 0; i < branches.size(); ++i) stream = rule->join(static_cast<int>(i), stream, branches[i]);
    return stream;
  }
};

/// The rule that the config text describes over `num_sublayers` sub-layers of width kModel; all parameters random
/// unless `random` is false: then as training starts.
inline BuiltResidual build_residual(const std::string& yaml, int num_sublayers = 4, bool random = true,
                                    at::ScalarType dtype = at::kDouble, std::function<double(int)> branch = {},
                                    std::function<double(int)> skip = {}) {
  const auto variant = configured<ResidualEntry>(yaml);
  BuiltResidual built;
  built.harness = std::make_unique<Harness>(dtype, [&](const ParamScope& scope) {
    const auto at_depth = [scope](int depth) {
      return (depth < 0 ? scope : scope.sub(std::to_string(depth)).at(depth, "A")).sub("residual");
    };
    built.rule = variant.entry().make(
        variant.settings(), {at_depth, kModel, num_sublayers, branch, skip, [](int depth) { return depth % 2 == 1; }});
  });
  if (!random) {
    built.harness->store().initialise(1);
    built.harness->store().materialise();
  }
  return built;
}

/// Random values [2, 3, kModel].
inline at::Tensor hidden(std::uint64_t seed, at::ScalarType dtype = at::kDouble) {
  return random_normal({2, 3, kModel}, seed, dtype);
}

}  // namespace ingot::testing
