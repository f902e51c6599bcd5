#pragma once
// Elementwise activations.

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>

#include "nn/pass.h"
#include "nn/sample.h"
#include "registry/family.h"

namespace ingot {

class Activation {
 public:
  virtual ~Activation() = default;
  virtual at::Tensor forward(const at::Tensor& x) const = 0;
  /// x [B, T, ...] in a pass of the model: as `forward`, with the noise that the activation may have in training.
  /// `site` names the place, as in `uniform_noise`.
  virtual at::Tensor forward_in(const Pass& /*pass*/, const std::string& /*site*/, const at::Tensor& x) const {
    return forward(x);
  }
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
