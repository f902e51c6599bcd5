#pragma once
// Elementwise activations.

#include <ATen/core/Tensor.h>

#include <functional>

#include "nn/sample.h"
#include "registry/family.h"

namespace ingot {

class Activation {
 public:
  virtual ~Activation() = default;
  virtual at::Tensor forward(const at::Tensor& x) const = 0;
};

struct ActivationEntry : Entry {
  static constexpr const char* kFamily = "activations";
  std::function<std::unique_ptr<Activation>(const ConfigObject& settings)> make;
  std::function<at::Tensor(const ConfigObject& settings, const at::Tensor& x)> reference;
  /// Sum of the absolute terms of each element of y, where the formula adds terms that cancel (see `compare`); may be
  /// null.
  std::function<at::Tensor(const ConfigObject& settings, const at::Tensor& x)> terms;
  Samples samples;
};

void register_all_activations(Family<ActivationEntry>& family);

}  // namespace ingot
