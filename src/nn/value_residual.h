#pragma once
// Value residual: attention layers mix the values of the first of them into their own.
//
//   v <- v + λ (v_1 - v), λ one learned number; v, v_1 [B, T, H', K] as W_v gives them
//   Zhou et al. 2024, "Value Residual Learning", arXiv:2410.17897; learned shares as in modded-nanogpt.

#include "nn/branch.h"

namespace ingot {

class ValueResidual {
 public:
  /// Of the first values in the channel.
  static constexpr const char* kName = "first_values";

  /// Never mixes.
  ValueResidual() = default;
  /// λ starts at `start`. The first layer of a model to come here leaves its values and has no λ. Throws ConfigError if
  /// its heads are others than this one's.
  ValueResidual(const BranchContext& context, double start, std::int64_t heads, std::int64_t head_dim);

  /// The values to mix in, or undefined. The first layer leaves its own for the others: the last H' heads of `joined`
  /// [B, T, H + 2H', K].
  at::Tensor first(const at::Tensor& joined, const SequenceContext& context) const;
  /// `own` as it is where `first` is undefined.
  at::Tensor mix(const at::Tensor& own, const at::Tensor& first) const;

 private:
  bool leaves_own_ = false;
  std::int64_t heads_ = 0;
  Param share_;
};

}  // namespace ingot
