#include "train/setup_warnings.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/text.h"
#include "recipe/placement_bundle.h"
#include "train/places.h"

namespace ingot {
namespace {

/// Which constraints fix the scale of which parameters: the name of the first, "" for none.
class FixedScales {
 public:
  explicit FixedScales(const TrainSetup& setup) {
    for (const auto& choice : setup.store->choices()) by_param_[choice.info] = first_of(choice);
  }
  const std::string& operator[](const ParamInfo* info) const { return by_param_.at(info); }

 private:
  static std::string first_of(const ParamChoice& choice) {
    for (std::size_t i = 0; i < choice.chosen.size(); ++i) {
      const auto& chosen = choice.chosen[i];
      // With a start or a cadence the scale is free in between.
      if (chosen.always && fixes_scale(*chosen.constraint, *choice.info)) return choice.constraints[i];
    }
    return "";
  }

  std::map<const ParamInfo*, std::string> by_param_;
};

/// Name of what takes away the scale of what sub-layer `depth` gives, or "".
std::string output_norm(const TrainSetup& setup, int depth) {
  const auto& model = setup.model->resolved();
  const auto* norm = model.norm_at(Site::kOutput, depth);
  if (norm != nullptr) return norm->name();
  const auto& linear = model.sublayer(depth).linear;
  if (linear.entry().drops_scale) return linear.name();
  const auto& residual = setup.config.model.residual;
  return residual && residual->entry().drops_branch_scale ? residual->name() : "";
}

/// The first sub-layer whose output's scale is taken away, and by what.
std::pair<int, std::string> first_output_norm(const TrainSetup& setup) {
  for (int depth = 0; depth < setup.model->num_sublayers(); ++depth) {
    if (auto name = output_norm(setup, depth); !name.empty()) return {depth, std::move(name)};
  }
  return {-1, {}};
}

/// A depth factor of the init that the placement itself brings belongs to it, whatever norms it has.
void warn_of_init(const TrainSetup& setup, const FixedScales& fixed, std::vector<std::string>& out) {
  const auto& init = setup.config.weights.init;
  const auto made = init.entry().make(init.settings(), InitContext{setup.model->num_sublayers()});
  if (!made->scales_with_depth()) return;
  if (const auto [depth, norm] = first_output_norm(setup); depth >= 0 && bundle_of(setup.config).init != init.name()) {
    out.push_back(cat("weights.init: ", init.name(),
                      " makes outputs smaller with the depth, without effect on sub-layer ", depth, ": ", norm,
                      " takes away the scale of its output; a depth factor has to be in the gain of that ",
                      "norm (placement depth_scaled_sandwich)"));
  }
  for (const auto* info : setup.store->parameters()) {
    if (!info->roles.has(Role::kWritesStream) || fixed[info].empty()) continue;
    out.push_back(cat("weights.init: ", init.name(),
                      " makes outputs smaller with the depth, without effect: the constraint ", fixed[info],
                      " sets the scale of what writes the stream before step 1"));
    return;
  }
}

void warn_of_branch_factors(const TrainSetup& setup, std::vector<std::string>& out) {
  for (const auto* info : setup.store->parameters()) {
    if (!info->roles.has(Role::kWritesStream) || setup.store->scaling().forward(*info) == 1) continue;
    const auto norm = output_norm(setup, info->depth);
    if (norm.empty()) continue;
    out.push_back(cat("weights.scaling: ", setup.config.weights.scaling.name(), " divides what branches add, without ",
                      "effect on '", info->name, "': ", norm, " takes away the scale of its output"));
    return;
  }
}

/// Zeros that are meant to grow slowly.
void warn_of_zeros(const TrainSetup& setup, const FixedScales& fixed, std::vector<std::string>& out) {
  for (const auto& choice : setup.store->choices()) {
    const auto& constraint = fixed[choice.info];
    if (choice.init != "zeros" || constraint.empty()) continue;
    out.push_back(cat("'", choice.info->name, "' starts at zero, but its constraint ", constraint,
                      " gives it its full scale with the first update; expected an init without zeros there, or no "
                      "such constraint"));
    return;
  }
}

void warn_of_decay(const TrainSetup& setup, std::vector<std::string>& out) {
  for (const auto& assignment : setup.optimizer->assignments()) {
    const auto& info = *assignment.master->param;
    if (assignment.weight_decay == 0 || !info.roles.has(Role::kWritesStream)) continue;
    const auto norm = output_norm(setup, info.depth);
    if (norm.empty()) continue;
    out.push_back(cat("weight decay ", assignment.weight_decay, " on '", info.name, "': ", norm,
                      " takes away the scale of its output, so that decay acts on its effective learning rate alone"));
    return;
  }
}

/// Where the decay of a group is written.
std::string decay_path(const OptimConfig& config, const std::string& group) {
  for (std::size_t i = 0; i < config.groups.size(); ++i) {
    if (config.groups[i].name != group) continue;
    if (config.groups[i].weight_decay) return cat("optim.groups.", i, ".weight_decay");
    if (config.groups[i].optimizer) return cat("optim.groups.", i, ".optimizer.weight_decay");
  }
  return "optim.optimizer.weight_decay";
}

void warn_of_constrained_decay(const TrainSetup& setup, const FixedScales& fixed, std::vector<std::string>& out) {
  for (const auto& assignment : setup.optimizer->assignments()) {
    const auto& constraint = fixed[assignment.master->param];
    if (assignment.weight_decay == 0 || constraint.empty()) continue;
    out.push_back(placed(
        setup.config, decay_path(setup.config.optim, assignment.group),
        cat("weight decay ", assignment.weight_decay, " on '", assignment.master->param->name, "': its constraint ",
            constraint,
            " puts the scale back after every update, so that decay acts on its effective learning rate alone")));
    return;
  }
}

void warn_of_others(const TrainSetup& setup, std::vector<std::string>& out) {
  const auto& optim = setup.config.optim;
  if (!optim.others || optim.optimizer.entry().takes) return;
  out.push_back(
      cat("optim.others: ", optim.others->name(), " gets no parameter: ", optim.optimizer.name(), " takes every one"));
}

void warn_of_idle_rule(const TrainSetup& setup, std::vector<std::string>& out) {
  if (!setup.config.optim.decay) return;
  for (const auto& assignment : setup.optimizer->assignments()) {
    if (assignment.weight_decay != 0) return;
  }
  out.push_back(placed(setup.config, "optim.decay", "a rule of decay, but no parameter has a weight decay"));
}

/// Where the parametrization itself leaves such weights out of decay, there is nothing to say.
void warn_of_scale_free_decay(const TrainSetup& setup, std::vector<std::string>& out) {
  for (const auto& assignment : setup.optimizer->assignments()) {
    if (assignment.weight_decay == 0 || !assignment.master->scale_free) continue;
    const auto& choices = setup.store->choices();
    const auto choice =
        std::find_if(choices.begin(), choices.end(), [&](const auto& c) { return c.info == assignment.master->param; });
    out.push_back(cat("weight decay ", assignment.weight_decay, " on '", assignment.master->name,
                      "': ", choice->parametrization,
                      " takes away its scale, so that decay acts on its effective learning rate alone"));
    return;
  }
}

void warn_of_tied_head(const RunConfig& config, std::vector<std::string>& out) {
  if (!bundle_of(config).untied_head || !config.model.tie_embeddings) return;
  out.push_back(cat("model.tie_embeddings: the head is the embedding, which in placement ",
                    config.model.placement.name(), " as published it is not; false, or bundle: sites_only"));
}

}  // namespace

std::vector<std::string> setup_warnings(const TrainSetup& setup) {
  auto out = setup.model->warnings();
  const FixedScales fixed(setup);
  warn_of_tied_head(setup.config, out);
  warn_of_init(setup, fixed, out);
  warn_of_branch_factors(setup, out);
  warn_of_zeros(setup, fixed, out);
  warn_of_decay(setup, out);
  warn_of_others(setup, out);
  warn_of_constrained_decay(setup, fixed, out);
  warn_of_idle_rule(setup, out);
  warn_of_scale_free_decay(setup, out);
  return out;
}

}  // namespace ingot
