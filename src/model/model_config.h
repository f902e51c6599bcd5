#pragma once
// The `model:` section.

#include <optional>
#include <string>
#include <vector>

#include "config/fields.h"
#include "config/units.h"
#include "nn/branch.h"
#include "nn/placement.h"
#include "nn/position.h"
#include "nn/residual.h"
#include "params/selector.h"

namespace ingot {

class Problems;

/// A named sub-layer type: a mixer or an ffn, with the norms of its sites where they differ from the placement's.
struct OperatorConfig {
  std::optional<std::string> like;  // another operator whose keys this one starts from
  std::optional<Variant<MixerEntry>> mixer;
  std::optional<Variant<FfnEntry>> ffn;
  NamedMap<Variant<NormEntry>> sites;          // site name -> norm; {type: none} takes a norm away
  std::optional<Recompute> recompute;          // absent: train.recompute
  std::optional<Variant<LinearEntry>> linear;  // absent: the model's
};
void describe(Fields& f, OperatorConfig& c);

/// A change of norms for part of the model, after operators and placement.
struct ModelOverride {
  OneOrMany<std::string> op;  // key `operator`
  std::optional<DepthRange> depth;
  NamedMap<Variant<NormEntry>> sites;
};
void describe(Fields& f, ModelOverride& c);

/// What the token's embedding is multiplied with.
enum class EmbeddingFactor { kNone, kSqrtDModel, kLearned };

struct ModelConfig {
  std::int64_t d_model = 0;
  std::string layers;  // "2x(DFMF AFMF) 2x(DFMF)"
  NamedMap<OperatorConfig> operators;
  Variant<NormEntry> norm{"rms_norm"};
  Variant<LinearEntry> linear{"plain"};
  Variant<PlacementEntry> placement{"pre"};
  std::optional<Variant<ResidualEntry>> residual;  // absent: the placement's
  Variant<PositionEntry> position{"none"};         // at the embedding
  EmbeddingFactor embedding_factor = EmbeddingFactor::kNone;
  std::int64_t meta_tokens = 0;
  bool tie_embeddings = true;
  bool normalise_head = false;
  bool logit_scale = false;
  std::int64_t vocab_multiple = 1;
  NamedMap<Variant<NormEntry>> sites;  // embedding, final
  std::vector<ModelOverride> overrides;
};
void describe(Fields& f, ModelConfig& c);

/// Sites inside the operator that it has a norm at if the config asks for one; none while it is not bound.
const std::vector<Site>& inner_sites(const OperatorConfig& op);
/// Whether the site lies inside operators: q, k, v, head, hidden.
bool is_inner_site(Site site);
/// Name of its mixer or ffn.
const std::string& operator_kind(const OperatorConfig& op);

/// Expands a pattern to operator names. Names are `[A-Z][a-z]*`, longest match among `operators`; blanks are free;
/// `n x ( … )` repeats and nests. Throws ConfigError that quotes the pattern and points at the character.
std::vector<std::string> expand_pattern(const std::string& pattern, const std::vector<std::string>& operators);

/// Cross-field checks that need no weights; all problems at once. Norms of sites that an operator lacks are among them.
void validate(const ModelConfig& config, Problems& problems);

}  // namespace ingot
