#pragma once
// Scores: by what attention compares a query and a key, before the softmax.

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>

#include "nn/norm.h"
#include "nn/sample.h"
#include "params/store.h"
#include "registry/family.h"

namespace ingot {

struct ScoreContext {
  ParamScope scope;  // "layers.N.mixer.score"
  std::int64_t heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t max_length = 0;  // prefix + seq_len
};

/// The score of query i and key j is factor · query(q)_i · key(k)_j, for each head. Both come normalised by the sites q
/// and k and turned by the position encoding; what `key` gives is what decoding keeps.
class Score {
 public:
  virtual ~Score() = default;
  /// [B, T, H, K], and [B, T, H', K] -> same shape and dtype.
  virtual at::Tensor query(const at::Tensor& q) const = 0;
  virtual at::Tensor key(const at::Tensor& k) const = 0;
};

struct ScoreEntry : Entry {
  static constexpr const char* kFamily = "scores";
  /// A null score means that queries and keys are compared as they are (`dot`).
  std::function<std::unique_ptr<Score>(const ConfigObject& settings, const ScoreContext& context)> make;
  /// The factor, unless attention's `scale` sets another.
  std::function<double(std::int64_t head_dim)> factor;
  /// Scores over the factor in plain ATen calls, any floating dtype: q [B, 1, H, K], k [B, S, H, K] -> [B, S, H, 1].
  std::function<at::Tensor(const ConfigObject& settings, const at::Tensor& q, const at::Tensor& k,
                           const ParamMap& params)>
      reference;
  Samples samples;
};

void register_all_scores(Family<ScoreEntry>& family);

}  // namespace ingot
