#pragma once
// Matrix products over parameters. dW goes straight into the fp32 gradient buffer of the leaf.

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ops/recompute/recompute.h"
#include "params/store.h"
#include "registry/add_entry.h"

namespace ingot {

struct LinearContext {
  ParamScope scope;        // of the matrix: "layers.N.mixer"
  std::string name;        // of the matrix below it, without ".weight": "q"
  std::int64_t width = 0;  // of the output
  bool writes_stream = false;
  int num_sublayers = 0;
};

/// What a kind of linear makes of the product: y = f(W x).
class LinearOutput {
 public:
  virtual ~LinearOutput() = default;
  /// [..., width] -> same shape and dtype.
  virtual at::Tensor forward(const at::Tensor& product) const = 0;
};

struct LinearEntry : Entry {
  static constexpr const char* kFamily = "linears";
  /// Null: the product itself.
  std::function<std::unique_ptr<LinearOutput>(const ConfigObject& settings, const LinearContext& context)> make;
  /// A matrix and its multiples give the same output.
  bool drops_scale = false;
  SettingsSamples samples;
};

void register_all_linears(Family<LinearEntry>& family);

/// Where an operator makes its linears, and of which kind.
struct LinearScope {
  ParamScope scope;
  const Variant<LinearEntry>* kind = nullptr;  // null: plain
  int num_sublayers = 0;
};

/// y = x W^T (+ bias). x [..., in] -> [..., out]. x is cast to the weight's dtype; y has the weight's dtype.
class Linear {
 public:
  Linear() = default;
  /// `spec.shape` is [out, in]; the parameter is scope + spec.name.
  Linear(const ParamScope& scope, const ParamSpec& spec);
  /// Of an operator: of the kind that the model wants.
  Linear(const LinearScope& scope, const ParamSpec& spec);
  at::Tensor forward(const at::Tensor& x) const;
  /// forward(piece(inputs)). With `recompute`, which must be off where `piece` has side effects, `inputs` alone are
  /// kept for the backward pass.
  at::Tensor forward(const ops::Piece& piece, const std::vector<at::Tensor>& inputs, bool recompute) const;
  explicit operator bool() const { return static_cast<bool>(leaf_); }

 private:
  WeightLeaf leaf_;
  std::shared_ptr<const LinearOutput> output_;  // null: none
};

/// One product for several parameters of equal input width: q, k, v; gate, up.
class JoinedLinear {
 public:
  JoinedLinear() = default;
  JoinedLinear(const ParamScope& scope, const std::vector<ParamSpec>& specs);
  JoinedLinear(const LinearScope& scope, const std::vector<ParamSpec>& specs);
  /// The parts' outputs, as views of one product.
  std::vector<at::Tensor> forward(const at::Tensor& x) const;
  /// The same side by side, [..., sum of the parts' rows].
  at::Tensor forward_joined(const at::Tensor& x) const;
  /// The leaf, [sum of the parts' rows, in].
  const at::Tensor& weight() const { return leaf_.weight(); }

 private:
  WeightLeaf leaf_;
  std::vector<std::shared_ptr<const LinearOutput>> outputs_;  // of the parts; empty: none
};

/// Roles, part and hidden axis of the usual matrices. `head_rows`: where the rows are those of heads in turn.
ParamSpec reads_stream_spec(std::string name, std::string part, std::int64_t out, std::int64_t d_model,
                            std::int64_t head_rows = 0);
ParamSpec writes_stream_spec(std::string name, std::string part, std::int64_t d_model, std::int64_t in);
ParamSpec gain_spec(std::string name, std::int64_t width);
ParamSpec bias_spec(std::string name, std::int64_t width);
/// Depthwise convolution [channels, taps] and its bias, both uniform within 1/sqrt(taps) of 0 at the start.
ParamSpec conv_weight_spec(std::string name, std::string part, std::int64_t channels, std::int64_t taps);
ParamSpec conv_bias_spec(std::string name, std::int64_t channels, std::int64_t taps);

}  // namespace ingot
