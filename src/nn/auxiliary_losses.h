#pragma once
// Losses that layers add beside the main one, from anywhere in a forward pass.
//
// A loss joins the graph where it is made: `attach` returns its x, and where the backward pass comes to it, the loss
// gets its weight as gradient. So a loss within a part that is computed again counts once, without anybody's care.
// Values are added up over the micro-batches of a step; like the main loss, values and gradients are divided by the
// target tokens of all micro-batches and ranks.

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "params/store.h"

namespace ingot {

class AuxiliaryLosses {
 public:
  /// Of a model with `terms` declared losses, on its device.
  AuxiliaryLosses(std::int64_t terms, at::Device device);

  /// The next micro-batch's target tokens.
  void begin_batch(std::int64_t target_tokens) { target_tokens_ = target_tokens; }
  std::int64_t target_tokens() const { return target_tokens_; }
  /// x with weight · sum hanging on it. With `counts` the value is added to the term's.
  at::Tensor attach(const at::Tensor& x, const LossTerm& term, double weight, const at::Tensor& sum, bool counts);
  /// [terms] fp64, weighted, since the last `clear`.
  const at::Tensor& sums() const { return sums_; }
  void clear() { sums_.zero_(); }

 private:
  at::Tensor sums_;
  std::int64_t target_tokens_ = 0;
};

}  // namespace ingot
