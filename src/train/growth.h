#pragma once
// Growth in depth: a model begins with the sub-layers of a checkpoint that has fewer of them, each copied to several
// places (`train.start_from.expand`).
//
//   stack        sub-layer i takes the weights of i mod m
//                (Du et al. 2024, "Stacking Your Transformers", arXiv:2405.15319: G_stack)
//   interleave   unit j of n takes those of unit floor(j m / n)
//                (Chang et al. 2018, "Multi-level Residual Networks from Dynamical Systems View", arXiv:1710.10348)
//   linear       unit j takes (1 - s) W_k + s W_{k+1}, k + s = j (m - 1) / (n - 1), 0 <= s < 1
//                (from two units the line of Xia et al. 2024, arXiv:2312.05614: TLEG)
//   m, n: the numbers of sub-layers, or of units, of the checkpoint and of the model. A unit is the smallest number of
//   sub-layers that can move together so that all find weights of their own names and shapes.
//
// Moments of optimizers go the same way. Everything outside the stack is taken as it is.

#include <string>
#include <vector>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "train/setup.h"

namespace ingot {

/// Whose weights a sub-layer takes: (1 - share) of `layer`, and share of `other`.
struct LayerSource {
  int layer = 0;
  int other = 0;
  double share = 0;
  bool is_copy = false;  // one before it takes them already, or they are mixed
};

/// By sub-layer of the model, whose weights `here` has, "layers.3.ffn.up.weight"; `there` is all that the checkpoint
/// has of its model, states of constraints and running statistics too. Throws ConfigError at `place` if the checkpoint
/// is not of a shallower model of the same widths.
std::vector<LayerSource> layer_sources(ExpandRule rule, const TensorShapes& there, const TensorShapes& here,
                                       const Location& place);

/// "0, 1, 0', 1'" or "0, 0.5 0 + 0.5 1, 1": the sources in order, copies of what stands before with a prime.
std::string sources_text(const std::vector<LayerSource>& sources);

/// What a model takes from a checkpoint.
class Growth {
 public:
  /// As `train.start_from.expand` says; without it every tensor is the one of its name. The model may be without its
  /// weights. Throws as layer_sources, and if `output: zero` meets a parametrization or a constraint.
  Growth(const TrainSetup& setup, const TensorShapes& there);

  /// "8 sub-layers by stack: 0, 1, …"; "" if it does not grow.
  std::string text() const;
  /// The name there of what is called `name` here, of which a state of an optimizer ends in a weight's name.
  std::string source(const std::string& name) const;

  /// Tensors under their names there, for load_checkpoint; then `finish` does what is left to do with their values.
  struct Request {
    StateTensors tensors;
    struct Mix {
      at::Tensor target, other;
      double share;
    };
    std::vector<Mix> mixes;
    void finish() const;
  };
  Request request(const StateTensors& targets) const;

  /// With `output: zero`, zeros in what writes the stream in copies.
  void zero_outputs(const ParameterStore& store) const;

 private:
  std::vector<LayerSource> sources_;  // empty: as they are
  std::string rule_;
  bool zeroes_ = false;
};

}  // namespace ingot
