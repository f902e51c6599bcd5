#pragma once
// What layers tell training from anywhere in a forward pass: losses beside the main one, and how large scores are.
//
// A loss joins the graph where it is made: `attach` returns its x, and where the backward pass comes to it, the loss
// gets its weight as gradient. So a loss within a part that is computed again counts once, without anybody's care.
// Values are added up over the micro-batches of a step; like the main loss, values and gradients are divided by the
// target tokens of all micro-batches and ranks.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>

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
  void clear() {
    sums_.zero_();
    scores_.clear();
  }

  /// Whether attention should tell its largest scores, which costs it time.
  void measure_scores(bool wanted) { measures_scores_ = wanted; }
  bool measures_scores() const { return measures_scores_; }
  /// [heads], of the attention at a scope, "layers.0.mixer".
  void tell_scores(const std::string& scope, const at::Tensor& largest);
  /// The largest since the last `clear`, by scope.
  const std::map<std::string, at::Tensor>& scores() const { return scores_; }

 private:
  at::Tensor sums_;
  std::int64_t target_tokens_ = 0;
  bool measures_scores_ = false;
  std::map<std::string, at::Tensor> scores_;
};

}  // namespace ingot
