#include "train/placement_bundle.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>

#include <map>
#include <memory>
#include <utility>

#include "base/text.h"
#include "config/document.h"
#include "registry/variant_text.h"
#include "train/experiment.h"

namespace ingot {
namespace {

/// Whether a matrix like `info` and its double end at the same place, so that neither the scale of an init nor decay has an
/// effect. Asked on a small matrix with the same roles.
bool fixes_scale(const Constraint& constraint, const ParamInfo& info) {
  ParamInfo small = info;
  small.shape = {2, 3};
  auto once = at::arange(1, 7, at::kDouble).view({2, 3}), twice = 2 * once;
  constraint.apply(once, small);
  constraint.apply(twice, small);
  return (twice - once).abs().max().item<double>() < 1e-9;
}

/// Which constraints fix the scale of which parameters: the name of the first, "" for none.
class FixedScales {
 public:
  explicit FixedScales(const Experiment& experiment) {
    const auto& weights = experiment.config.weights;
    add(weights.constraints);
    for (const auto& change : weights.overrides) {
      if (change.constraints) add(*change.constraints);
    }
    for (const auto& choice : experiment.store->choices()) by_param_[choice.info] = first_of(choice);
  }
  const std::string& operator[](const ParamInfo* info) const { return by_param_.at(info); }

 private:
  void add(const std::vector<Variant<ConstraintEntry>>& variants) {
    for (const auto& variant : variants) made_.emplace(variant.name(), variant.entry().make(variant.settings()));
  }
  std::string first_of(const ParamChoice& choice) const {
    for (const auto& name : choice.constraints) {
      if (fixes_scale(*made_.at(name), *choice.info)) return name;
    }
    return "";
  }

  std::map<std::string, std::unique_ptr<Constraint>> made_;
  std::map<const ParamInfo*, std::string> by_param_;
};

/// Name of what takes away the scale of what sub-layer `depth` gives, or "".
std::string output_norm(const Experiment& experiment, int depth) {
  const auto* norm = experiment.model->norm_at(Site::kOutput, depth);
  if (norm != nullptr) return norm->name();
  const auto& linear = experiment.model->linear_at(depth);
  if (linear.entry().drops_scale) return linear.name();
  const auto& residual = experiment.config.model.residual;
  return residual && residual->entry().drops_branch_scale ? residual->name() : "";
}

/// The first sub-layer whose output's scale is taken away, and by what.
std::pair<int, std::string> first_output_norm(const Experiment& experiment) {
  for (int depth = 0; depth < experiment.model->num_sublayers(); ++depth) {
    if (auto name = output_norm(experiment, depth); !name.empty()) return {depth, std::move(name)};
  }
  return {-1, {}};
}

/// What the placement brings; nothing for most.
PlacementBundle bundled(const RunConfig& config) {
  const auto& placement = config.model.placement;
  if (!placement.entry().bundle) return {};
  return placement.entry().bundle(placement.settings(), config.model.d_model);
}

/// A depth factor of the init that the placement itself brings belongs to it, whatever norms it has.
void warn_of_init(const Experiment& experiment, const FixedScales& fixed, std::vector<std::string>& out) {
  const auto& init = experiment.config.weights.init;
  const auto made = init.entry().make(init.settings(), InitContext{experiment.model->num_sublayers()});
  if (!made->scales_with_depth()) return;
  if (const auto [depth, norm] = first_output_norm(experiment);
      depth >= 0 && bundled(experiment.config).init != init.name()) {
    out.push_back(cat("weights.init: ", init.name(),
                      " makes outputs smaller with the depth, without effect on sub-layer ", depth, ": ", norm,
                      " takes away the scale of its output; a depth factor has to be in the gain of that ",
                      "norm (placement depth_scaled_sandwich)"));
  }
  for (const auto* info : experiment.store->parameters()) {
    if (!info->roles.has(Role::kWritesStream) || fixed[info].empty()) continue;
    out.push_back(cat("weights.init: ", init.name(),
                      " makes outputs smaller with the depth, without effect: the constraint ", fixed[info],
                      " sets the scale of what writes the stream before step 1"));
    return;
  }
}

void warn_of_decay(const Experiment& experiment, std::vector<std::string>& out) {
  for (const auto& assignment : experiment.optimizer->assignments()) {
    const auto& info = *assignment.master->param;
    if (assignment.weight_decay == 0 || !info.roles.has(Role::kWritesStream)) continue;
    const auto norm = output_norm(experiment, info.depth);
    if (norm.empty()) continue;
    out.push_back(cat("weight decay ", assignment.weight_decay, " on '", info.name, "': ", norm,
                      " takes away the scale of its output, so that decay acts on its effective learning rate alone"));
    return;
  }
}

void warn_of_constrained_decay(const Experiment& experiment, const FixedScales& fixed, std::vector<std::string>& out) {
  for (const auto& assignment : experiment.optimizer->assignments()) {
    const auto& constraint = fixed[assignment.master->param];
    if (assignment.weight_decay == 0 || constraint.empty()) continue;
    out.push_back(
        cat("weight decay ", assignment.weight_decay, " on '", assignment.master->param->name, "': its constraint ",
            constraint,
            " puts the scale back after every update, so that decay acts on its effective learning rate alone"));
    return;
  }
}

void warn_of_tied_head(const RunConfig& config, std::vector<std::string>& out) {
  if (!bundled(config).untied_head || !config.model.tie_embeddings) return;
  out.push_back(cat("model.tie_embeddings: the head is the embedding, which in placement ",
                    config.model.placement.name(), " as published it is not; false, or bundle: sites_only"));
}

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
  const auto bundle = bundled(config);
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

std::vector<std::string> config_warnings(const Experiment& experiment) {
  auto out = experiment.model->warnings();
  const FixedScales fixed(experiment);
  warn_of_tied_head(experiment.config, out);
  warn_of_init(experiment, fixed, out);
  warn_of_decay(experiment, out);
  warn_of_constrained_decay(experiment, fixed, out);
  return out;
}

}  // namespace ingot
