#pragma once
// Norms: maps of the last axis (or of heads within it) that keep the shape.

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nn/sample.h"
#include "params/store.h"
#include "registry/family.h"

namespace ingot {

struct SequenceContext;

/// Where in the model a norm sits.
enum class Site { kInput, kOutput, kStream, kQ, kK, kV, kHead, kHidden, kEmbedding, kFinal };
const std::vector<std::pair<std::string, Site>>& site_names();
std::string site_name(Site site);

struct NormContext {
  ParamScope scope;        // parameters are declared as scope + "gain", "bias", …
  std::int64_t width = 0;  // length of the normalised axis
  std::int64_t heads = 1;  // x is [..., heads, width] at the sites q, k, v, head
  Site site = Site::kInput;
  int depth = -1;  // sub-layer, -1 for model sites
  int num_sublayers = 0;
  double gain_start = 1;  // where the placement lets a gain start, in units of its usual start value
};

/// What some norms need beside x.
struct NormInput {
  at::Tensor gate;                            // same shape as x, undefined if there is none
  const SequenceContext* sequence = nullptr;  // for norms with statistics over tokens
  /// What the reader of y computes in. A norm may give y in this type, which then needs no cast, or in x's.
  std::optional<at::ScalarType> out_type;
};

class Norm {
 public:
  virtual ~Norm() = default;
  /// [..., width] -> same shape; dtype: see NormInput::out_type.
  virtual at::Tensor forward(const at::Tensor& x, const NormInput& input) const = 0;
  at::Tensor forward(const at::Tensor& x) const { return forward(x, NormInput{}); }
};

/// Parameters by their name below the scope ("gain"), for references.
using ParamMap = std::map<std::string, at::Tensor>;

/// y = gain ⊙ (x - mean x) / divisor + bias, or without the mean: what a trained norm may have become.
struct LinearNorm {
  bool centres = false;
  double divisor = 1;
  std::string reason;  // why it is not linear, a clause; empty if it is
};

struct NormEntry : Entry {
  static constexpr const char* kFamily = "norms";
  /// A null norm means identity (`none`).
  std::function<std::unique_ptr<Norm>(const ConfigObject& settings, const NormContext& context)> make;
  /// The formula in plain ATen calls, any floating dtype, differentiable; what `make` is tested against.
  std::function<at::Tensor(const ConfigObject& settings, const at::Tensor& x, const ParamMap& params)> reference;
  /// Floating-point operations per element of x, forward.
  double flops_per_element = 0;
  /// Its statistics are pooled over tokens, so that in training a token may see later ones. Such a norm has a key
  /// `allow_leak`; without it `make` throws ConfigError.
  bool leaks = false;
  /// As published for language models it comes with model.embedding_factor: learned, which it brings as `model.norm`.
  bool learns_embedding_factor = false;
  /// It has a parameter `gain` that heeds NormContext::gain_start.
  bool has_gain = true;
  /// Where y = (gain - neutral + 1) ⊙ n(x) + bias with neither gain nor bias in n, so that a product behind it can take
  /// over both: `neutral`, the gain that does nothing. Null for other norms.
  std::function<double(const ConfigObject& settings)> neutral_gain;
  /// Of a norm that training makes linear, so that a product behind it can take over all of it: what it is after so
  /// many updates with these buffers, by their name below the scope. Null for other norms.
  std::function<LinearNorm(const ConfigObject& settings, int depth, std::int64_t updates, const ParamMap& buffers)>
      linear_form;
  /// What `plan` says of a site of sub-layer `depth` (-1: of the model) beside the settings. May be null.
  std::function<std::string(const ConfigObject& settings, int depth)> text;
  Samples samples;
};

void register_all_norms(Family<NormEntry>& family);

}  // namespace ingot
