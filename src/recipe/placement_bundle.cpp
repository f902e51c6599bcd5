#include "recipe/placement_bundle.h"

#include "base/text.h"
#include "config/document.h"
#include "registry/variant_text.h"

namespace ingot {

PlacementBundle bundle_of(const RunConfig& config) {
  const auto& placement = config.model.placement;
  if (!placement.entry().bundle) return {};
  return placement.entry().bundle(placement.settings(), config.model.d_model);
}

namespace {

/// What the bundle says of the inside of operators, where the config sets none.
void apply_to_operators(const Document& document, const Families& families, const std::string& source,
                        const PlacementBundle& bundle, ModelConfig& model) {
  const auto apply = [&](const auto& keys, AnyVariant& variant, const std::string& path) {
    for (const auto& [key, yaml] : keys) {
      if (document.find(cat(path, ".", key)) != nullptr || !has_field(variant, key)) continue;
      set_field(variant, key, yaml, families, source);
    }
  };
  for (auto& [name, op] : model.operators) {
    if (op.mixer) apply(bundle.mixer, *op.mixer, cat("model.operators.", name, ".mixer"));
    if (op.ffn) apply(bundle.ffn, *op.ffn, cat("model.operators.", name, ".ffn"));
  }
  if (bundle.logit_scale && document.find("model.logit_scale") == nullptr) model.logit_scale = true;
  if (bundle.untied_head && document.find("model.tie_embeddings") == nullptr) model.tie_embeddings = false;
}

/// What the norm or the init wants the embedding multiplied with.
void apply_embedding_factor(const Document& document, RunConfig& config) {
  if (document.find("model.embedding_factor") != nullptr) return;
  auto& factor = config.model.embedding_factor;
  if (config.weights.init.entry().scales_embedding) factor = EmbeddingFactor::kSqrtDModel;
  if (config.model.norm.entry().learns_embedding_factor) factor = EmbeddingFactor::kLearned;
}

/// Streams that add up at the end start with smaller outputs.
void apply_output_init_factor(const Document& document, RunConfig& config) {
  const auto& residual = config.model.residual;
  if (!residual || !residual->entry().output_init_factor) return;
  if (document.find("weights.output_init_factor") != nullptr) return;
  config.weights.output_init_factor = residual->entry().output_init_factor(residual->settings());
}

}  // namespace

void apply_bundles(const Document& document, const Families& families, RunConfig& config) {
  const auto& placement = config.model.placement;
  const auto bundle = bundle_of(config);
  const auto source = cat("bundle of placement ", placement.name());
  if (!bundle.residual.empty() && !config.model.residual) {
    config.model.residual = read_variant<ResidualEntry>(bundle.residual, families, source);
  }
  apply_to_operators(document, families, source, bundle, config.model);
  if (!bundle.init.empty() && document.find("weights.init") == nullptr) {
    config.weights.init = read_variant<InitEntry>(bundle.init, families, source);
  }
  if (!bundle.constraints.empty() && document.find("weights.constraints") == nullptr) {
    for (const auto& name : bundle.constraints) {
      config.weights.constraints.push_back(read_variant<ConstraintEntry>(name, families, source));
    }
  }
  apply_embedding_factor(document, config);
  apply_output_init_factor(document, config);
}

}  // namespace ingot
