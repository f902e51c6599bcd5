#pragma once
// Parametrizations: how the weight that the model uses follows from what is trained.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "params/param_info.h"
#include "registry/add_entry.h"

namespace ingot {

/// A stored tensor of a parametrization; `suffix` is appended to the parameter's name ("" for plain, ".v", ".g").
struct MasterSpec {
  std::string suffix;
  std::vector<std::int64_t> shape;
  bool trained = true;  // false: state such as a power-iteration vector, saved with the model, without gradient
  bool decays = true;   // whether weight decay that selects the parameter acts on this tensor
  /// Its multiples give the same weight (as far as an eps does not count), so that decay changes the size of steps
  /// alone.
  bool scale_free = false;
};

/// A map from stored masters to the weight that the model uses. Stateless: everything that changes is a master.
/// Tensors are views into the store's flat buffers, of the master dtype (fp32; fp64 in tests). One whose pull-back is
/// left to autograd derives from AutogradParametrization (params/autograd_parametrization.h).
class Parametrization {
 public:
  virtual ~Parametrization() = default;
  /// Whether it is defined for this parameter. Others that the config selects stay `plain`; a setting that reaches none
  /// at all is a config error.
  virtual bool applies(const ParamInfo& info) const { return info.roles.any(matrix_roles()); }
  virtual std::vector<MasterSpec> masters(const ParamInfo& info) const = 0;
  virtual Granularity granularity(const ParamInfo& info) const = 0;

  /// weight <- f(masters). `weight` may have a lower precision. Pure.
  virtual void materialise(const std::vector<at::Tensor>& masters, at::Tensor& weight) const = 0;
  /// master_grads[i] <- (df/dmaster_i)^T weight_grad. Both in master dtype; state masters have an undefined gradient.
  virtual void pull_back(const std::vector<at::Tensor>& masters, const at::Tensor& weight_grad,
                         std::vector<at::Tensor>& master_grads) const = 0;
  /// False where `pull_back` is by design not the gradient of `materialise`: straight through a rounding, past a factor
  /// that counts as constant.
  virtual bool has_exact_gradient() const { return true; }
  /// Moves the state once per training step.
  virtual void advance(std::vector<at::Tensor>& masters) const { (void)masters; }

  /// Chooses masters such that f(masters) = weight, or, where no masters give it, the natural ones to start from
  /// `weight`. Used by inits and constraints.
  virtual void assign(const at::Tensor& weight, std::vector<at::Tensor>& masters) const = 0;
  /// Whether `assign` reproduces every weight. Constraints on a parameter whose parametrization cannot are an error.
  virtual bool can_assign() const { return true; }

  /// Whether the start value waits for a batch, which `fit_outputs` is then given before the first update.
  virtual bool fits_outputs() const { return false; }
  /// Divides the weight of each output by its standard deviation over the tokens of a batch, `std` [out] > 0.
  virtual void fit_outputs(const at::Tensor& std, std::vector<at::Tensor>& masters) const { (void)std, (void)masters; }

  /// True only for the identity: compute gradient and master gradient are then one buffer.
  virtual bool is_identity() const { return false; }
};

struct ParametrizationEntry : Entry {
  static constexpr const char* kFamily = "parametrizations";
  std::function<std::unique_ptr<Parametrization>(const ConfigObject& settings)> make;
  SettingsSamples samples;
};

/// An entry whose parametrization P is made from `const C&`, or from nothing.
template <class C, class P>
void add_parametrization(Family<ParametrizationEntry>& family, std::string name, std::string summary, std::string paper,
                         SettingsSamples samples = {}) {
  auto& entry = add_entry<C, P>(family, std::move(name), std::move(summary), std::move(paper));
  entry.samples = std::move(samples);
}

/// Filled by a generated table.
void register_all_parametrizations(Family<ParametrizationEntry>& family);

}  // namespace ingot
