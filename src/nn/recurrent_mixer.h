#pragma once
// The frame of mixers with a recurrent state: what delta_net, mamba2 and their relatives have in common.
//
//   parts = W x          matrices that read the stream, in one product
//   parts <- silu(conv)  some of them pass a short causal convolution
//   y     = mix(parts)   the mixer's own: it prepares the parts, calls the recurrence once, finishes its output
//   out   = W_out y      a norm at the site `head` stands between the two, for each head
//
// A mixer says which parameters these are, what the recurrence computes for a sequence and for a token, and writes
// `mix`. Documents, the prefix, states that come in and go out, the convolution's tail, decoding and selective
// recompute are the frame's, and the same for all.

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nn/branch.h"
#include "ops/chunk/documents.h"
#include "ops/chunk/step.h"
#include "ops/delta_rule/delta_rule.h"

namespace ingot {

/// The convolution over the projections `first` … `first + count - 1`, side by side, with SiLU behind it.
struct RecurrentConv {
  std::size_t first = 0, count = 0;
  std::vector<ParamSpec> weights;  // [channels, taps], over the same channels in order
  std::optional<ParamSpec> bias;   // [channels]
};

/// What a recurrent mixer is made of beside its own parameters.
struct RecurrentParts {
  std::vector<ParamSpec> projections;  // [rows, d_model]; `mix` gets their outputs in this order
  std::optional<RecurrentConv> conv;
  std::int64_t heads = 0;
  std::int64_t state_rows = 0;  // of a head's state, the width of q and k
  std::int64_t head_dim = 0;    // its columns, the width of v
  std::int64_t chunk = 0;  // rows that the parallel form computes at once; 0: it does not ask for documents in chunks
};

/// Where documents begin in the rows at hand, for the parallel form. All undefined: each row is one document.
struct RecurrentDocuments {
  at::Tensor origin;           // [B, T] as in ops/chunk/documents.h
  ops::DocumentChunks chunks;  // unless RecurrentParts::chunk is 0
};

class RecurrentMixer : public Mixer {
 public:
  at::Tensor forward(const at::Tensor& x, const SequenceContext& context, const StateFlow& states) const final;
  at::Tensor step(const at::Tensor& x, const SequenceContext& context, MixerState& state) const final;
  /// The convolution's last inputs [B, taps - 1, channels], if there is one, and S [B, H, rows, columns] in fp32
  /// (fp64).
  MixerState make_state(std::int64_t batch) const final;
  std::int64_t state_bytes(std::int64_t length, int element_bytes) const final;
  std::vector<FlopItem> flops(std::int64_t seq_len, std::int64_t prefix) const final;

 protected:
  /// What the recurrence reads of its tokens: [B, T, …] in `mix` and in the parallel form, [B, …] in the step form.
  using Tokens = ops::StateToken;
  /// The recurrence over the rows that `mix` works on, -> [B, T, H, head_dim].
  using Recur = std::function<at::Tensor(const Tokens& tokens)>;

  /// Declares the projections and the convolution. The constructor of a mixer goes on with its own parameters and ends
  /// with `declare_output`, so that parameters have the order of the computation.
  RecurrentMixer(const BranchContext& context, RecurrentParts parts);
  /// The norm of the site `head`, and W_out [d_model, H · head_dim] under `name`.
  void declare_output(const BranchContext& context, const std::string& name);

  /// parts: outputs of the projections [B, T, rows], after the convolution. -> [B, T, H · head_dim], what W_out reads.
  virtual at::Tensor mix(const std::vector<at::Tensor>& parts, const Recur& recur) const = 0;
  /// Differentiable in everything, the start states included.
  virtual ops::Recurrence parallel(const Tokens& tokens, const ops::RecurrentStates& starts,
                                   const RecurrentDocuments& documents) const = 0;
  /// One token: S moves in place; -> [B, H, head_dim]. The base class: ops::state_step.
  virtual at::Tensor advance(const Tokens& token, const at::Tensor& state) const;
  /// Of the recurrence and of what surrounds it; products and the convolution are counted by the frame.
  virtual std::vector<FlopItem> recurrence_flops() const = 0;

  /// part [B, T, n · width] -> [B, T, n, width].
  static at::Tensor by_head(const at::Tensor& part, std::int64_t width) { return part.unflatten(2, {-1, width}); }

 private:
  struct Split {
    std::vector<at::Tensor> parts;
    at::Tensor conv_input;  // [B, T, channels], undefined without a convolution
  };
  /// projected [B, T, sum of rows]; `tails` and `origin` as in ops::short_conv.
  Split split(const at::Tensor& projected, const ops::RecurrentStates& tails, const at::Tensor& origin) const;
  at::Tensor normed_heads(const at::Tensor& y) const;
  std::int64_t taps() const { return parts_.conv->weights.front().shape[1]; }
  std::int64_t conv_channels() const;

  RecurrentParts parts_;
  std::int64_t d_model_;
  bool recompute_;
  JoinedLinear in_;
  WeightLeaf conv_;
  std::optional<Param> conv_bias_;
  std::unique_ptr<Norm> head_norm_;
  std::string out_name_;
  Linear out_;
};

}  // namespace ingot
