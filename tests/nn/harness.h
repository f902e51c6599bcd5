#pragma once
// Modules of nn in a store of their own, with random weights.

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "nn/activation.h"
#include "nn/branch.h"
#include "nn/position.h"
#include "nn/standalone.h"
#include "registry/variant_text.h"
#include "support/gradcheck.h"

namespace ingot::testing {

/// The families that modules of nn and the store need; among the mixers also `retention`, which is of the tests.
const Families& nn_families();

/// The settings that tests run an entry with: its samples, or its defaults.
std::vector<Sample> samples_of(const Entry& entry, const Samples& samples);

/// A store around one module of nn, see StandaloneStore.
class Harness : public StandaloneStore {
 public:
  template <class F>
  Harness(at::ScalarType dtype, F declare) : StandaloneStore(nn_families(), dtype, declare) {}

  std::vector<CheckedParameter> checked() const;
  std::int64_t num_parameters() const { return store().num_parameters(); }
  /// Names of the parameters whose gradient is zero throughout after a backward pass through `y`: those without a use.
  std::vector<std::string> unused_in(const at::Tensor& y);
  void zero_grads() { store().zero_grads(); }
  /// Gradients of all parameters, one behind another.
  at::Tensor grads() const;
};

/// Mixer or Ffn with its harness.
template <class M>
struct Built {
  std::unique_ptr<M> module;
  std::unique_ptr<Harness> harness;
};

inline constexpr std::int64_t kModel = 32;  // d_model that samples suit

BranchContext branch_context(const ParamScope& scope, Recompute recompute = Recompute::kNone);
Built<Mixer> build_mixer(const std::string& name, const ConfigObject& settings, at::ScalarType dtype,
                         Recompute recompute = Recompute::kNone);
Built<Ffn> build_ffn(const std::string& name, const ConfigObject& settings, at::ScalarType dtype,
                     Recompute recompute = Recompute::kNone);

/// A variant as the config text describes it: "{type: gelu, tanh: true}". Throws ConfigError.
template <class E>
Variant<E> configured(const std::string& yaml) {
  return read_variant<E>(yaml, nn_families(), "test");
}

using ingot::plain_context;
/// Documents [B, T]; positions restart at `prefix` in each. With `continued` >= 0, document 0 goes on at that position.
SequenceContext document_context(const at::Tensor& document, std::int64_t prefix = 0, std::int64_t continued = -1);
/// Document numbers of rows with documents of the given lengths.
at::Tensor documents_of(const std::vector<std::vector<std::int64_t>>& lengths);

}  // namespace ingot::testing
