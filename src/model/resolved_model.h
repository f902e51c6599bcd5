#pragma once
// The model that config, placement and defaults have come to, as data: what `plan` shows, what costs are measured by
// and what conversions look at.

#include <optional>
#include <string>
#include <vector>

#include "model/model_config.h"

namespace ingot {

struct ResolvedNorm {
  Site site = Site::kInput;
  Variant<NormEntry> norm;
  bool is_model_norm = false;  // `model.norm`, not one that the site names
};

struct ResolvedSublayer {
  int depth = 0;
  std::string op;  // name of the operator
  // Exactly one of the two. Settings that do not act are at their defaults, sizes are numbers.
  std::optional<Variant<MixerEntry>> mixer;
  std::optional<Variant<FfnEntry>> ffn;
  std::vector<std::string> own_norms;  // of the mixer's definition, in words
  Variant<LinearEntry> linear;
  std::vector<ResolvedNorm> norms;  // of the sites that have one, also those inside the operator
  std::string formula;              // of the placement
  double input_scale = 1;           // of what the input norm gives
  double branch_scale = 1, skip_scale = 1;
  int residual_work = 0;      // Residual::kind_of_work
  std::string residual_text;  // Residual::text
  Recompute recompute = Recompute::kNone;
};

/// Whether two sub-layers of one model run the same operations on the same shapes, whatever their factors and start
/// values.
bool same_work(const ResolvedSublayer& a, const ResolvedSublayer& b);

struct ResolvedModel {
  Variant<PositionEntry> position;
  std::int64_t meta_tokens = 0;
  double embedding_factor = 1;  // of tokens; where it is learned, its start
  bool learns_embedding_factor = false;
  Variant<ResidualEntry> residual;
  std::vector<ResolvedNorm> norms;  // of the sites embedding and final
  std::vector<ResolvedSublayer> sublayers;
  double logits_factor = 1;
  bool tied_head = true, normalised_head = false, scaled_logits = false;

  /// Precondition: the model has it.
  const ResolvedSublayer& sublayer(int depth) const;
  /// The norm of a site of sub-layer `depth`, or of the model for depth -1; null where there is none.
  const Variant<NormEntry>* norm_at(Site site, int depth) const;
  /// Whether that norm is `model.norm`, not one that the site names.
  bool follows_model_norm(Site site, int depth) const;

 private:
  const ResolvedNorm* find(Site site, int depth) const;
};

/// ("0 D", what the sub-layer does) for embedding, sub-layers and head: formula, norms, factors, with every setting.
std::vector<std::pair<std::string, std::string>> describe_layers(const ResolvedModel& model);

}  // namespace ingot
