#pragma once
// Losses over the hidden states that leave the stack. The sum over target tokens is what backward runs on.

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "params/head_weights.h"
#include "registry/family.h"

namespace ingot {

/// Values over a micro-batch, fp32 scalars on the device.
struct LossSums {
  at::Tensor total;               // what backward runs on, summed over target tokens; carries the graph
  at::Tensor loss;                // the main loss, which the metrics call `loss`: summed, detached
  std::vector<at::Tensor> terms;  // those of Objective::terms(): summed, weighted, detached
};

/// What a run trains on. Without weights of its own: these are the head's.
class Objective {
 public:
  virtual ~Objective() = default;
  /// Names in the metrics of what it adds to the main loss.
  virtual std::vector<std::string> terms() const { return {}; }
  /// `hidden` [B, T, D] as it leaves the stack; `targets` [B, T] int64, -1 = none.
  virtual LossSums forward(const at::Tensor& hidden, const HeadWeights& head, const at::Tensor& targets) const = 0;
};

struct ObjectiveContext {
  /// train.z_loss: the weight of logsumexp(z)² of every target token, which each objective over logits adds as the term
  /// z_loss.
  double z_loss = 0;
};

struct ObjectiveEntry : Entry {
  static constexpr const char* kFamily = "objectives";
  std::function<std::unique_ptr<Objective>(const ConfigObject& settings, const ObjectiveContext& context)> make;
  /// The main loss of logits [n, V] in plain ATen calls, summed over the rows with a target in `targets` [n]: what
  /// `make` is tested against.
  std::function<at::Tensor(const ConfigObject& settings, const at::Tensor& logits, const at::Tensor& targets)>
      reference;
};

void register_all_objectives(Family<ObjectiveEntry>& family);

/// Cross-entropy of every position without gradients: fp32 [B, T], 0 where there is no target.
at::Tensor token_losses(const at::Tensor& hidden, const HeadWeights& head, const at::Tensor& targets);

/// fp32 logits [.., V] without padding. For sampling and export only.
at::Tensor logits(const at::Tensor& hidden, const HeadWeights& head);

}  // namespace ingot
