#pragma once
// Scores outside attention, with parameters of their own.

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "nn/harness.h"
#include "nn/score.h"
#include "support/tolerance.h"

namespace ingot::testing {

inline constexpr std::int64_t kHeads = 4, kHeadDim = 8;

struct ScoreFixture {
  /// Parameters are random, or `as_started`.
  explicit ScoreFixture(const std::string& yaml, bool as_started = false, std::int64_t max_length = 64)
      : variant(configured<ScoreEntry>(yaml)),
        harness(as_started ? at::kFloat : at::kDouble, [&](const ParamScope& scope) {
          score = variant.entry().make(variant.settings(), {scope.sub("score"), kHeads, kHeadDim, max_length});
        }) {
    if (!as_started) return;
    harness.store().initialise(1);
    harness.store().materialise();
  }

  /// Scores of q [B, 1, H, K] and k [B, S, H, K]: [B, S, H].
  at::Tensor operator()(const at::Tensor& q, const at::Tensor& k) const {
    return variant.entry().factor(kHeadDim) * (score->query(q) * score->key(k)).sum(-1);
  }

  Variant<ScoreEntry> variant;
  std::unique_ptr<Score> score;
  Harness harness;
};

/// Cosines [B, S, H] from the definition.
inline at::Tensor cosines(const at::Tensor& q, const at::Tensor& k) {
  return (q * k).sum(-1) / (q.square().sum(-1) * k.square().sum(-1)).sqrt();
}

inline at::Tensor queries(at::ScalarType dtype = at::kDouble) {
  return random_normal({2, 1, kHeads, kHeadDim}, 1, dtype);
}
inline at::Tensor keys(at::ScalarType dtype = at::kDouble) { return random_normal({2, 5, kHeads, kHeadDim}, 2, dtype); }

}  // namespace ingot::testing
