#pragma once
// The families that act on weights: parametrizations, constraints, inits. Each variant is one file.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/variant.h"
#include "params/param_info.h"
#include "registry/family.h"

namespace ingot {

/// A stored tensor of a parametrization; `suffix` is appended to the parameter's name ("" for plain, ".v", ".g").
struct MasterSpec {
  std::string suffix;
  std::vector<std::int64_t> shape;
  bool trained = true;  // false: state such as a power-iteration vector, saved with the model, without gradient
  bool decays = true;   // whether weight decay that selects the parameter acts on this tensor
};

/// A map from stored masters to the weight that the model uses. Stateless: everything that changes is a master.
/// Tensors are views into the store's flat buffers, of the master dtype (fp32; fp64 in tests).
class Parametrization {
 public:
  virtual ~Parametrization() = default;
  /// Whether it is defined for this parameter. Others that the config selects stay `plain`; a setting that reaches none
  /// at all is a config error.
  virtual bool applies(const ParamInfo& info) const { return info.roles.any(matrix_roles()); }
  virtual std::vector<MasterSpec> masters(const ParamInfo& info) const = 0;
  virtual Granularity granularity() const = 0;

  /// weight <- f(masters). `weight` may have a lower precision. Pure.
  virtual void materialise(const std::vector<at::Tensor>& masters, at::Tensor& weight) const = 0;
  /// master_grads[i] <- (df/dmaster_i)^T weight_grad. Both in master dtype; state masters have an undefined gradient.
  virtual void pull_back(const std::vector<at::Tensor>& masters, const at::Tensor& weight_grad,
                         std::vector<at::Tensor>& master_grads) const = 0;
  /// Moves the state once per training step.
  virtual void advance(std::vector<at::Tensor>& masters) const { (void)masters; }

  /// Chooses masters such that f(masters) = weight, or, where no masters give it, the natural ones to start from
  /// `weight`. Used by inits and constraints.
  virtual void assign(const at::Tensor& weight, std::vector<at::Tensor>& masters) const = 0;
  /// Whether `assign` reproduces every weight. Constraints on a parameter whose parametrization cannot are an error.
  virtual bool can_assign() const { return true; }

  /// True only for the identity: compute gradient and master gradient are then one buffer.
  virtual bool is_identity() const { return false; }
};

struct ParametrizationEntry : Entry {
  static constexpr const char* kFamily = "parametrizations";
  std::function<std::unique_ptr<Parametrization>(const ConfigObject& settings)> make;
};

/// Puts the effective weight back on a set, once before step 1 and after every update.
class Constraint {
 public:
  virtual ~Constraint() = default;
  /// Whether the constraint has anything to do on this parameter (one that selects nothing at all is a config error).
  virtual bool applies(const ParamInfo& info) const = 0;
  virtual Granularity granularity(const ParamInfo& info) const = 0;
  /// In place, in master dtype. Idempotent up to rounding.
  virtual void apply(at::Tensor& weight, const ParamInfo& info) const = 0;
};

struct ConstraintEntry : Entry {
  static constexpr const char* kFamily = "constraints";
  std::function<std::unique_ptr<Constraint>(const ConfigObject& settings)> make;
};

/// What an init may know beside the parameter.
struct InitContext {
  int num_sublayers = 0;  // S: residual branches
};

class Init {
 public:
  virtual ~Init() = default;
  /// Fills a contiguous CPU tensor in master dtype.
  virtual void fill(at::Tensor& weight, const ParamInfo& info, RandomStream& random) const = 0;
  /// As `plan --params` shows it: "normal(0, 0.0115)".
  virtual std::string text(const ParamInfo& info) const = 0;
  /// Whether matrices that write the stream start the smaller the more sub-layers there are.
  virtual bool scales_with_depth() const { return false; }
};

struct InitEntry : Entry {
  static constexpr const char* kFamily = "inits";
  std::function<std::unique_ptr<Init>(const ConfigObject& settings, const InitContext& context)> make;
  /// As published it comes with model.embedding_factor: sqrt_d_model, which it brings as `weights.init`.
  bool scales_embedding = false;
};

/// Filled by generated tables.
void register_all_parametrizations(Family<ParametrizationEntry>& family);
void register_all_constraints(Family<ConstraintEntry>& family);
void register_all_inits(Family<InitEntry>& family);

}  // namespace ingot
