#pragma once
// What a sub-layer computes between reading the stream and joining it: a mixer (mixes tokens) or an ffn (does not).

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "nn/context.h"
#include "nn/linear.h"
#include "nn/norm.h"
#include "nn/recompute.h"
#include "registry/family.h"

namespace ingot {

/// Makes the norm of a site inside an operator, or null if the config puts none there. `width` is the normalised axis.
using SiteNorms =
    std::function<std::unique_ptr<Norm>(Site site, const ParamScope& scope, std::int64_t width, std::int64_t heads)>;

/// What sub-layers of a model leave for later ones (SequenceContext::channel): said by both sides while the model is
/// built. Where a sub-layer runs again in the backward pass, what it reads is handed in and what it leaves is handed
/// out.
class ChannelPlan {
 public:
  struct Value {
    int writer = -1;                  // the sub-layer that leaves it
    std::vector<std::int64_t> shape;  // of a token
    std::vector<int> readers;         // sub-layers
  };
  /// Null before `leave`.
  const Value* find(const std::string& name) const;
  /// Sub-layer `depth` leaves [B, T, shape...]. Throws std::logic_error if another does so already.
  void leave(const std::string& name, int depth, std::vector<std::int64_t> shape);
  /// Sub-layer `depth`, a later one, reads it. Throws std::logic_error if nobody leaves it.
  void read(const std::string& name, int depth);
  std::vector<std::string> left_by(int depth) const;
  std::vector<std::string> read_by(int depth) const;

 private:
  std::map<std::string, Value> values_;
};

struct BranchContext {
  ParamScope scope;  // "layers.N.mixer" or "layers.N.ffn"
  std::int64_t d_model = 0;
  std::int64_t max_length = 0;  // prefix + seq_len
  int depth = 0;
  int num_sublayers = 0;
  SiteNorms site_norm;  // q, k, v, head, hidden
  /// `kSelective`: the operator keeps only the outputs of its products. The model sees to `kFull`.
  Recompute recompute = Recompute::kNone;
  const Families* families = nullptr;
  std::shared_ptr<ChannelPlan> channel;          // null outside a model
  const Variant<LinearEntry>* linear = nullptr;  // kind of its linears; null: plain

  operator LinearScope() const { return {scope, linear, num_sublayers}; }
};

/// The norm of a site inside the operator, with parameters below `name`; null where the config has none there.
std::unique_ptr<Norm> make_site_norm(const BranchContext& context, Site site, const std::string& name,
                                     std::int64_t width, std::int64_t heads);
/// x as it is where `norm` is null.
inline at::Tensor normalised(const std::unique_ptr<Norm>& norm, const at::Tensor& x) {
  return norm ? norm->forward(x) : x;
}

/// What decides which settings of an operator act.
struct SettingsContext {
  std::int64_t d_model = 0;
  bool has_prefix = false;                  // the model has meta tokens
  bool mixes_values = false;                // some mixer mixes in another's values (nn/value_residual.h)
  std::function<bool(Site site)> has_norm;  // of the sites inside the operator
  const Families* families = nullptr;
};
/// The settings with what does not act at its default and with sizes as numbers, so that two operators that compute the
/// same have the same text. Null: all act as they are written.
using EffectiveSettings =
    std::function<std::shared_ptr<const ConfigObject>(const ConfigObject& settings, const SettingsContext& context)>;

template <class C>
EffectiveSettings effective_settings(C (*effective)(C settings, const SettingsContext& context)) {
  return with_settings<C>([effective](const C& settings, const SettingsContext& context) {
    return std::make_shared<ConfigBox<C>>(effective(settings, context));
  });
}

/// Floating-point operations of one token, forward, itemised ("q", "scores", "chunk", …); a product of [m,k] and [k,n]
/// is 2mkn.
struct FlopItem {
  std::string name;
  double flops = 0;
};

class Mixer {
 public:
  virtual ~Mixer() = default;

  /// Parallel form. x [B, T, D] -> [B, T, D], causal, documents apart.
  virtual at::Tensor forward(const at::Tensor& x, const SequenceContext& context, const StateFlow& states) const = 0;
  /// One token. x [B, 1, D] -> [B, 1, D]; `state` (batch B) moves by one token.
  virtual at::Tensor step(const at::Tensor& x, const SequenceContext& context, MixerState& state) const = 0;
  /// The state before the first token, batch rows, in the dtypes that `forward` leaves.
  virtual MixerState make_state(std::int64_t batch) const = 0;
  /// Copies a state of batch 1 to `batch` rows that can then move apart.
  virtual MixerState expand_state(const MixerState& state, std::int64_t batch) const;

  /// Bytes of the state of one row after `length` tokens, `element_bytes` for what is kept in the compute type.
  virtual std::int64_t state_bytes(std::int64_t length, int element_bytes) const = 0;
  virtual std::vector<FlopItem> flops(std::int64_t seq_len, std::int64_t prefix) const = 0;
  /// Norms that belong to the mixer's definition ("q_norm: l2, eps 1e-6"), for `plan`.
  virtual std::vector<std::string> own_norms() const { return {}; }
};

class Ffn {
 public:
  virtual ~Ffn() = default;
  /// [B, T, D] -> [B, T, D].
  virtual at::Tensor forward(const at::Tensor& x, const SequenceContext& context) const = 0;
  virtual std::vector<FlopItem> flops() const = 0;
};

struct MixerEntry : Entry {
  static constexpr const char* kFamily = "mixers";
  std::function<std::unique_ptr<Mixer>(const ConfigObject& settings, const BranchContext& context)> make;
  /// Checks that need the width only (heads divide it, …): messages beside the key they concern; empty if all is well.
  std::function<std::vector<std::pair<std::string, std::string>>(const ConfigObject& settings, std::int64_t d_model)>
      validate;
  /// The layer in plain ATen calls with a loop over tokens, any floating dtype: (x [B,T,D], parameters by name below
  /// the scope, documents [B,T] or undefined) -> y. No prefix: positions count from 0 in each document. Sites inside
  /// the operator are left out.
  std::function<at::Tensor(const ConfigObject& settings, const at::Tensor& x, const ParamMap& params,
                           const at::Tensor& document)>
      reference;
  /// The sites inside the operator that it asks `BranchContext::site_norm` for; a norm at any other is a config error.
  std::vector<Site> sites;
  EffectiveSettings effective;
  Samples samples;
};

struct FfnEntry : Entry {
  static constexpr const char* kFamily = "ffns";
  std::function<std::unique_ptr<Ffn>(const ConfigObject& settings, const BranchContext& context)> make;
  std::function<at::Tensor(const ConfigObject& settings, const at::Tensor& x, const ParamMap& params)> reference;
  std::vector<Site> sites;      // as in MixerEntry
  EffectiveSettings effective;  // as in MixerEntry
  Samples samples;
};

/// For effective_settings: `width` as the number that it comes to.
template <class C>
C with_width_resolved(C settings, const SettingsContext& context) {
  settings.width = settings.width.of(settings.width.resolve(context.d_model, settings.multiple_of));
  settings.multiple_of = 1;
  return settings;
}

/// Key `hidden_scale` of an ffn.
inline constexpr const char* kHiddenScaleHelp =
    "whether each output of the first products has a learned factor, starting at 1 (nGPT)";

void register_all_mixers(Family<MixerEntry>& family);
void register_all_ffns(Family<FfnEntry>& family);

}  // namespace ingot
