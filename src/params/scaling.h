#pragma once
// Scalings: how start values, learning rates, decay and forward factors follow role, width and depth.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "params/param_info.h"
#include "registry/add_entry.h"

namespace ingot {

/// What a scaling may know beside the parameter.
struct ScalingContext {
  std::int64_t d_model = 0;  // width of the stream
  int num_sublayers = 0;     // S: residual branches
};

/// How an optimizer's steps follow its gradients, on which the right learning rate of each width depends.
enum class UpdateSize {
  kGradient,    // proportional to the gradient: SGD
  kNormalised,  // the same for gradients of any scale, element by element: Adam, Lion, Signum
  // Of matrices, whatever the gradient's scale; of anything else as kNormalised:
  kSpectral,   // the length of an output changes in proportion to its input's, by the same at each width: Muon
  kOrthogonal  // all singular values are equal, and elements as large at each width: Muon matched to Adam's size
};

/// The base class is `standard`: everything as it is written.
class Scaling {
 public:
  virtual ~Scaling() = default;
  /// Of what `weights.init` gives a parameter; asked only where the init itself does not follow the width.
  virtual double init(const ParamInfo& /*info*/) const { return 1; }
  /// Of the group's learning rate and decay. Both act on masters of the parameter's shape; lengths and the like that a
  /// parametrization has beside them keep the group's.
  virtual double lr(const ParamInfo& /*info*/, UpdateSize /*size*/) const { return 1; }
  virtual double weight_decay(const ParamInfo& /*info*/, UpdateSize /*size*/) const { return 1; }
  /// Of the weight wherever the model uses it: what is trained, started and decayed is the weight without it.
  virtual double forward(const ParamInfo& /*info*/) const { return 1; }
  /// Of the logits: of the head alone where it is also the embedding.
  virtual double logits() const { return 1; }
};

struct ScalingEntry : Entry {
  static constexpr const char* kFamily = "scalings";
  std::function<std::unique_ptr<Scaling>(const ConfigObject& settings, const ScalingContext& context)> make;
  SettingsSamples samples;
};

/// An entry whose scaling S is made from (const C&, const ScalingContext&), from one of them, or from nothing.
template <class C, class S>
void add_scaling(Family<ScalingEntry>& family, std::string name, std::string summary, std::string paper,
                 SettingsSamples samples = {}) {
  auto& entry = add_entry<C, S>(family, std::move(name), std::move(summary), std::move(paper));
  entry.samples = std::move(samples);
}

/// Filled by a generated table.
void register_all_scalings(Family<ScalingEntry>& family);

}  // namespace ingot
