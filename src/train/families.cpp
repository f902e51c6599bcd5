#include "train/families.h"

#include "data/tokenizer.h"
#include "nn/activation.h"
#include "nn/branch.h"
#include "nn/norm.h"
#include "nn/placement.h"
#include "nn/position.h"
#include "nn/residual.h"
#include "nn/score.h"
#include "objective/objective.h"
#include "optim/average.h"
#include "optim/clipper.h"
#include "optim/optimizer.h"
#include "params/constraint.h"
#include "params/init.h"
#include "params/parametrization.h"
#include "params/penalty.h"
#include "params/scaling.h"
#include "recipe/probe.h"
#include "registry/family.h"

namespace ingot {

Families make_families() {
  Families families;
  register_all_norms(families.add<NormEntry>());
  register_all_placements(families.add<PlacementEntry>());
  register_all_residuals(families.add<ResidualEntry>());
  register_all_mixers(families.add<MixerEntry>());
  register_all_ffns(families.add<FfnEntry>());
  register_all_activations(families.add<ActivationEntry>());
  register_all_positions(families.add<PositionEntry>());
  register_all_linears(families.add<LinearEntry>());
  register_all_scores(families.add<ScoreEntry>());
  register_all_parametrizations(families.add<ParametrizationEntry>());
  register_all_constraints(families.add<ConstraintEntry>());
  register_all_penalties(families.add<PenaltyEntry>());
  register_all_inits(families.add<InitEntry>());
  register_all_scalings(families.add<ScalingEntry>());
  register_all_optimizers(families.add<OptimizerEntry>());
  register_all_modifiers(families.add<ModifierEntry>());
  register_all_schedules(families.add<ScheduleEntry>());
  register_all_clippers(families.add<ClipperEntry>());
  register_all_averages(families.add<AverageEntry>());
  register_all_probes(families.add<ProbeEntry>());
  register_all_objectives(families.add<ObjectiveEntry>());
  register_all_tokenizers(families.add<TokenizerEntry>());
  return families;
}

}  // namespace ingot
