#pragma once
// One training step: micro-batches forward and backward, then one update or none.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/sampling/batch.h"
#include "dist/reducer.h"
#include "dist/weight_exchange.h"
#include "nn/auxiliary_losses.h"
#include "objective/objective.h"
#include "train/setup.h"
#include "train/step_probe.h"

namespace ingot {

/// A part of what a step trains on beside its main loss, weighted, as it was added.
struct NamedLoss {
  std::string name;
  double value = 0;
};

/// What a step did. Losses are means over its target tokens, in nats.
struct StepResult {
  double loss = 0;
  std::vector<NamedLoss> terms;  // of the objective, of layers, of penalties on weights: the same names in every step
  double grad_norm = 0;          // of the mean gradient, before clipping
  double clip_factor = 1;
  std::optional<double> step_share = {};  // of the update that was taken, where the clipper looks at logits
  std::int64_t targets = 0;
  bool applied = false;  // false: not accepted, clipped to nothing, or there was no target; weights are as before
};

class TrainStep {
 public:
  /// The store must be allocated. All ranks of the world take a step together.
  TrainStep(TrainSetup& setup, World& world);
  /// One process.
  explicit TrainStep(TrainSetup& setup);

  /// Adds the gradients of one micro-batch; with `last` of this rank's for the step they may go out to the other ranks.
  void accumulate(const Batch& batch, bool last = false);
  /// Decides by loss and gradient norm whether the update is applied; the same on all ranks. Not asked where the
  /// clipper leaves the step out.
  using Accept = std::function<bool(double loss, double grad_norm)>;
  /// Both finite.
  static bool is_finite(double loss, double grad_norm);
  /// Ends the step; `update` is the number of the update, from 1, if it is applied. The result is the same on all
  /// ranks.
  StepResult finish(std::int64_t update, const Accept& accept = is_finite);
  /// Compute weights from masters, wherever these are. All ranks together, after masters changed outside of a step.
  void refresh_weights();
  /// The same where every rank has made its compute weights already.
  void share_weights();
  const ReductionTimes& reduction() const { return reducer_.times(); }

 private:
  /// Over the step's target tokens: the main loss, then the terms of the objective and of the layers.
  struct Sums {
    std::vector<double> losses;
    std::int64_t targets = 0;
  };
  void finish_round();
  /// Of optimizer, constraints and a clipper that looks at logits.
  void move_masters(std::int64_t update, double grad_scale, StepResult& result);
  Sums sum_over_ranks();
  /// Of each head, over all ranks.
  LargestScores largest_scores();
  /// Whether the scores of the step under way bound those of the weights.
  bool clips_scores() const;
  /// After an update, for optimizers that want it: gradients of labels drawn from the model, for the step's batches.
  void observe_sampled(std::int64_t update, std::int64_t targets);
  /// Adds the gradients of penalties on weights; their values.
  std::vector<double> penalise(std::int64_t targets);

  TrainSetup& setup_;
  std::unique_ptr<World> alone_;  // if nobody gave one
  World& world_;
  GradientReducer reducer_;
  std::unique_ptr<WeightExchange> exchange_;  // null: every rank has all masters
  std::unique_ptr<Objective> objective_;
  std::unique_ptr<Objective> plain_objective_;  // of labels drawn from the model: the main loss alone
  std::vector<Batch> batches_;                  // of the step, where an optimizer wants such labels
  std::shared_ptr<AuxiliaryLosses> losses_;     // of layers
  std::vector<std::string> term_names_;         // of the objective, of layers, of penalties
  at::Tensor sums_;  // [1 + terms of the objective] fp64 on the model's device; undefined before the first micro-batch
  std::int64_t targets_ = 0;
  BatchTensors probe_rows_;       // the last micro-batch, where the clipper looks at its logits
  std::int64_t rounds_left_ = 0;  // of the reducer before the step's last one
};

}  // namespace ingot
