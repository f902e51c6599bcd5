#include "train/placement_bundle.h"

#include <map>
#include <utility>

#include "base/text.h"
#include "config/document.h"
#include "registry/variant_text.h"
#include "train/experiment.h"

namespace ingot {
namespace {

bool is_constrained(const Experiment& experiment, const std::string& constraint) {
  for (const auto& choice : experiment.store->choices()) {
    if (!choice.info->roles.has(Role::kWritesStream)) continue;
    for (const auto& name : choice.constraints) {
      if (name == constraint) return true;
    }
  }
  return false;
}

/// Name of the norm that takes away the scale of what sub-layer `depth` gives, or "".
std::string output_norm(const Experiment& experiment, int depth) {
  const auto* norm = experiment.model->norm_at(Site::kOutput, depth);
  if (norm != nullptr) return norm->name();
  const auto& residual = experiment.config.model.residual;
  return residual && residual->name() == "ngpt" ? "ngpt" : "";
}

/// The first sub-layer whose output's scale is taken away, and by what.
std::pair<int, std::string> first_output_norm(const Experiment& experiment) {
  for (int depth = 0; depth < experiment.model->num_sublayers(); ++depth) {
    if (auto name = output_norm(experiment, depth); !name.empty()) return {depth, std::move(name)};
  }
  return {-1, {}};
}

void warn_of_init(const Experiment& experiment, std::vector<std::string>& out) {
  const auto& init = experiment.config.weights.init;
  const auto made = init.entry().make(init.settings(), InitContext{experiment.model->num_sublayers()});
  if (!made->scales_with_depth()) return;
  // TinyInit's depth factor is part of a published bundle that has the output norm too.
  const bool belongs =
      experiment.config.model.placement.name() == "depth_scaled_sandwich" && init.name() == "tiny_init";
  if (const auto [depth, norm] = first_output_norm(experiment); depth >= 0 && !belongs) {
    out.push_back(cat("weights.init: ", init.name(),
                      " makes outputs smaller with the depth, without effect on sub-layer ", depth, ": ", norm,
                      " takes away the scale of its output; a depth factor has to be in the gain of that ",
                      "norm (placement depth_scaled_sandwich)"));
  }
  if (is_constrained(experiment, "unit_norm")) {
    out.push_back(
        cat("weights.init: ", init.name(),
            " makes outputs smaller with the depth, without effect: the constraint unit_norm sets the length of ",
            "every column that writes the stream before step 1"));
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

void warn_of_constrained_decay(const Experiment& experiment, std::vector<std::string>& out) {
  std::map<const ParamInfo*, bool> unit;
  for (const auto& choice : experiment.store->choices()) {
    for (const auto& name : choice.constraints) unit[choice.info] = unit[choice.info] || name == "unit_norm";
  }
  for (const auto& assignment : experiment.optimizer->assignments()) {
    const auto found = unit.find(assignment.master->param);
    if (assignment.weight_decay == 0 || found == unit.end() || !found->second) continue;
    out.push_back(cat("weight decay ", assignment.weight_decay, " on '", assignment.master->param->name,
                      "': its constraint unit_norm puts the length back after every update, so that decay acts on its ",
                      "effective learning rate alone"));
    return;
  }
}

}  // namespace

void apply_placement_bundle(const Document& document, const Families& families, RunConfig& config) {
  const auto& placement = config.model.placement;
  if (!placement.entry().bundle) return;
  const auto bundle = placement.entry().bundle(placement.settings(), config.model.d_model);
  const auto source = cat("bundle of placement ", placement.name());
  if (!bundle.residual.empty() && !config.model.residual) {
    config.model.residual = read_variant<ResidualEntry>(bundle.residual, families, source);
  }
  if (!bundle.init.empty() && document.find("weights.init") == nullptr) {
    config.weights.init = read_variant<InitEntry>(bundle.init, families, source);
  }
  if (!bundle.constraints.empty() && document.find("weights.constraints") == nullptr) {
    for (const auto& name : bundle.constraints) {
      config.weights.constraints.push_back(read_variant<ConstraintEntry>(name, families, source));
    }
  }
}

std::vector<std::string> config_warnings(const Experiment& experiment) {
  auto out = experiment.model->warnings();
  warn_of_init(experiment, out);
  warn_of_decay(experiment, out);
  warn_of_constrained_decay(experiment, out);
  return out;
}

}  // namespace ingot
