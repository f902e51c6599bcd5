#pragma once
// What one update does to the logits of a few tokens, and how much of it is taken: for clippers that ask.

#include <ATen/core/Tensor.h>

#include <functional>

#include "eval/batch_tensors.h"
#include "optim/clipper.h"
#include "train/setup.h"

namespace ingot {

class World;

class StepProbe {
 public:
  /// Before the update. `refresh` makes compute weights from masters; all ranks call it together.
  StepProbe(TrainSetup& setup, World& world, BatchTensors rows, std::function<void()> refresh);

  /// After it, once masters have moved: the spread that Clipper::share asks for. Leaves masters where they are.
  double spread();
  /// Takes back all but `share` of the move; compute weights are left to a refresh.
  void keep(double share);

 private:
  /// Of the first tokens of the rows: [n, V], fp32 or wider.
  at::Tensor probe_logits() const;
  /// How far along the move the second pass lies.
  double reach(const at::Tensor& after) const;

  TrainSetup& setup_;
  World& world_;
  LogitProbe probe_;
  BatchTensors rows_;  // of this rank; undefined tokens: it has none
  std::function<void()> refresh_;
  at::Tensor before_;         // masters
  at::Tensor logits_before_;  // [n, V]
};

}  // namespace ingot
