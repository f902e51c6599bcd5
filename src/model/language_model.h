#pragma once
// Embedding, meta prefix, the stack of sub-layers, the head.

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/model_config.h"
#include "model/resolved_model.h"
#include "nn/context.h"
#include "params/head_weights.h"

namespace ingot {

/// Decoding state of `batch` rows: one MixerState per mixer sub-layer, and how many tokens were seen.
struct DecodeState {
  std::vector<MixerState> layers;  // empty for ffn sub-layers
  std::int64_t length = 0;         // tokens after the prefix
  std::int64_t batch = 0;
};

struct ModelOptions {
  std::int64_t vocab_size = 0;
  std::int64_t seq_len = 0;
  at::ScalarType stream_dtype = at::kFloat;  // of the residual stream
  Recompute recompute = Recompute::kNone;    // of operators that do not say otherwise
  std::optional<std::vector<int>> depths;    // the sub-layers that are made, to measure parts of a model; absent: all
  double logits_factor = 1;                  // of the logits, whatever the head: what `weights.scaling` gives them
};

/// FLOPs of a token, forward, by operator and item. The meta prefix's own run, once a micro-batch, is left out.
struct ModelFlops {
  struct Row {
    std::string op;    // operator name, "head", "embedding", "meta prefix"
    std::string item;  // "q", "scores", …
    double flops = 0;  // summed over the sub-layers of this operator
  };
  std::vector<Row> rows;
  double forward_per_token = 0;
  /// Forward and backward: 3 × forward.
  double training_per_token() const { return 3 * forward_per_token; }
};

/// What a pass of training has beside its tokens.
struct TrainingPass {
  at::Tensor samples;                       // [B] int64 on the CPU, as in Pass; undefined where no noise is drawn
  std::shared_ptr<AuxiliaryLosses> losses;  // takes what layers add; null: they add nothing
};

/// What passes a place of the model: [rows, tokens, d_model], without gradient.
struct Activation {
  enum class Place {
    kEmbedding,  // the stream at its begin
    kBranch,     // what a sub-layer adds to the stream, its norms included
    kStream,     // behind a sub-layer, as the head would read it
    kHidden      // what the head reads
  };
  Place place = Place::kEmbedding;
  int depth = -1;  // of the sub-layer, -1 outside the stack
  std::string op;  // its operator, "" outside
  const at::Tensor& value;
};

class LanguageModel {
 public:
  /// Declares every parameter in the store; allocates nothing.
  LanguageModel(const ModelConfig& config, const ModelOptions& options, const Families& families,
                ParameterStore& store);
  ~LanguageModel();

  /// tokens [B, T] int64 -> hidden [B, T, D] after the final norm, ready for the head. `documents` [B, T] int64 or
  /// undefined (each row one document). Differentiable.
  at::Tensor forward(const at::Tensor& tokens, const at::Tensor& documents, bool training) const;
  at::Tensor forward(const at::Tensor& tokens, const at::Tensor& documents, const TrainingPass& training) const;
  /// Runs the model and shows what passes each place, in the order of the pass. Arguments as of `forward`.
  void observe(const at::Tensor& tokens, const at::Tensor& documents,
               const std::function<void(const Activation&)>& see) const;
  /// Mean square of the residual stream over rows, tokens and channels, as the head would read it: of the embedding,
  /// then behind each sub-layer. Arguments as of `forward`.
  std::vector<double> stream_mean_squares(const at::Tensor& tokens, const at::Tensor& documents) const;
  /// The same function computed as one concatenated sequence [meta; row] per row, as the test's oracle. One document a
  /// row.
  at::Tensor forward_concatenated(const at::Tensor& tokens) const;
  HeadWeights head() const;

  /// The point of the run that the weights are of, which every pass from now on sees. Before it is set: the start of no
  /// run.
  void set_point(const RunPoint& point);
  const RunPoint& point() const;

  /// State after the meta prefix, for `batch` rows.
  DecodeState begin_decode(std::int64_t batch) const;
  /// Feeds tokens [B, T] in parallel form, moving the state; hidden [B, T, D].
  at::Tensor prefill(const at::Tensor& tokens, DecodeState& state) const;
  /// Feeds one token a row [B, 1] in step form; hidden [B, 1, D].
  at::Tensor step(const at::Tensor& tokens, DecodeState& state) const;

  /// Tokens that a document can have after the prefix, by its positions; absent: any number.
  std::optional<std::int64_t> max_document_length() const;
  /// ConfigError with both lengths if a document of so many tokens is too long, as every function above throws.
  void check_document_length(std::int64_t tokens) const;
  /// Where the weights lie and inputs are expected.
  at::Device device() const;
  /// Of the whole pattern.
  int num_sublayers() const;
  /// Operator names in order, "D", "F", …
  const std::vector<std::string>& pattern() const;
  ModelFlops flops(std::int64_t seq_len) const;
  /// Bytes of decoding state of one row after `length` tokens.
  std::int64_t state_bytes(std::int64_t length) const;
  /// Of the sub-layers that are made.
  const ResolvedModel& resolved() const;
  /// What the config says without effect, or where a formula does not fit the pattern.
  std::vector<std::string> warnings() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ingot
