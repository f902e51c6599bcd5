#pragma once
// Private to the model module.

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "model/language_model.h"
#include "model/site_norms.h"

namespace ingot {

struct LanguageModel::Impl {
  struct SubLayer {
    int depth = 0;
    std::string op;
    std::unique_ptr<Mixer> mixer;  // exactly one of mixer and ffn
    std::unique_ptr<Ffn> ffn;
    std::unique_ptr<Norm> input_norm, output_norm, stream_norm;
    double input_scale = 1;  // of what the input norm gives
    Recompute recompute = Recompute::kNone;
  };
  /// What the meta prefix leaves in each mixer; batch 1; empty states where there is none.
  struct Prefix {
    std::vector<MixerState> layers;
  };
  /// What a sub-layer adds to the stream from what it reads, with its norms: [B, T, D] -> [B, T, D].
  using Branch = std::function<at::Tensor(const at::Tensor& x)>;

  Impl(const ModelConfig& model_config, const ModelOptions& model_options, const Families& all_families,
       ParameterStore& parameter_store);

  std::int64_t meta_tokens() const { return config.meta_tokens; }
  double sqrt_d_model() const { return std::sqrt(static_cast<double>(config.d_model)); }
  /// ConfigError where `length` positions, the prefix included, are more than the model has.
  void check_length(std::int64_t length) const;
  std::optional<std::int64_t> max_document_length() const;
  SequenceContext context(std::int64_t rows, std::int64_t length, std::int64_t first_position,
                          const at::Tensor& documents) const;
  /// The context of a training pass over rows of whole length.
  SequenceContext training_context(const at::Tensor& tokens, const at::Tensor& documents,
                                   const TrainingPass& training) const;
  /// That of the meta prefix beside a pass over rows.
  SequenceContext prefix_context(const Pass& pass) const;
  at::Tensor embed(const at::Tensor& tokens, const SequenceContext& context) const;
  at::Tensor embed_meta(const SequenceContext& context) const;
  /// tokens [B, T] -> [B, T, D], without positions.
  at::Tensor token_rows(const at::Tensor& tokens) const;
  /// The first `meta_rows` of x [B, T, D] are those of meta tokens.
  at::Tensor finish_embedding(at::Tensor x, std::int64_t meta_rows, const SequenceContext& context) const;
  /// Of a norm whose output only products read.
  NormInput before_products(const SequenceContext& context) const;
  at::Tensor parallel_branch(const SubLayer& layer, const at::Tensor& x, const SequenceContext& context,
                             const StateFlow& states) const;
  /// The same, keeping for the backward pass only x and what the states hold.
  at::Tensor recomputed_branch(const SubLayer& layer, const at::Tensor& x, const SequenceContext& context,
                               const MixerState* fresh) const;
  at::Tensor step_branch(const SubLayer& layer, const at::Tensor& x, const SequenceContext& context,
                         MixerState& state) const;
  /// Input and output norm around what an operator computes.
  template <class Operator>
  at::Tensor with_norms(const SubLayer& layer, const at::Tensor& x, const SequenceContext& context,
                        const Operator& compute) const;
  Stream sublayer(std::size_t index, const Stream& stream, const SequenceContext& context, const Branch& branch) const;
  at::Tensor finish(const Stream& stream, const SequenceContext& context) const;
  /// Sees the stream at its begin (`layer` null) and behind each sub-layer, and what these add to it.
  struct Watch {
    std::function<void(const SubLayer* layer, const Stream& stream)> stream;
    std::function<void(const SubLayer& layer, const at::Tensor& branch)> branch;
  };
  /// `given` null: the meta prefix runs along. `incoming` and `final` have one state per sub-layer.
  at::Tensor run(const at::Tensor& x, const SequenceContext& context, const Prefix* given,
                 const std::vector<MixerState>* incoming, std::vector<MixerState>* final,
                 const Watch* watch = nullptr) const;
  Prefix run_prefix() const;
  ParamScope residual_scope(int depth) const;
  /// The residual rule's start: from the embedding, or, where a part of the model is measured, as its depth meets it.
  Stream begin(const at::Tensor& x) const;
  void declare_sublayer(int depth, const std::string& op_name);
  const OperatorConfig& operator_at(int depth) const;
  /// Whether the operator at `depth` asks for a norm at a site inside it.
  bool has_site(int depth, Site site) const;
  /// ConfigError where the placement has a norm at a site inside an operator that the operator lacks.
  void check_placement() const;
  /// The norms of the sites of sub-layer `depth`, or of the model for depth -1.
  std::vector<ResolvedNorm> resolve_norms(int depth) const;
  ResolvedSublayer resolve(const SubLayer& layer) const;
  ResolvedModel resolve() const;

  ModelConfig config;
  ModelOptions options;
  const Families& families;
  ParameterStore& store;
  std::vector<std::string> pattern;
  std::unique_ptr<Placement> placement;
  std::unique_ptr<SiteNormTable> norms;
  std::shared_ptr<ChannelPlan> channel = std::make_shared<ChannelPlan>();
  RunPoint point;
  WeightLeaf embedding, head;  // head is empty when tied
  WeightLeaf logit_scale;      // empty without
  Param embedding_scale;       // empty unless it is learned
  Param meta;
  std::unique_ptr<Position> position;
  std::unique_ptr<Residual> residual;
  Variant<ResidualEntry> residual_rule;
  ResolvedModel resolved;
  std::unique_ptr<Norm> embedding_norm, final_norm;
  std::vector<SubLayer> layers;
};

}  // namespace ingot
