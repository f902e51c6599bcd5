#pragma once
// What attention makes of projected queries and keys before it compares them.

#include <memory>
#include <utility>

#include "nn/branch.h"
#include "nn/position.h"
#include "nn/score.h"

namespace ingot {

class Fields;

enum class QkNormOver { kHead, kAllHeads };

/// How the norms of the sites q and k act, where there are some.
struct QkNormConfig {
  QkNormOver over = QkNormOver::kHead;
  bool after_position = false;
};
void describe(Fields& f, QkNormConfig& c);

/// Keys of an attention mixer.
struct QueryKeyConfig {
  Variant<PositionEntry> position{"none"};
  QkNormConfig qk_norm;
  Variant<ScoreEntry> score{"dot"};
};
void describe(Fields& f, QueryKeyConfig& c);

struct QueryKeySizes {
  std::int64_t heads = 0, kv_heads = 0, head_dim = 0;
};

/// Norms of the sites q and k, position encoding and score.
class QueryKey {
 public:
  QueryKey(const QueryKeyConfig& config, const BranchContext& context, const QueryKeySizes& sizes);

  /// qk [B, T, H + H', K]: queries, then keys -> (q [B, T, H, K], k [B, T, H', K]), whose products times `factor` are
  /// scores.
  std::pair<at::Tensor, at::Tensor> forward(const at::Tensor& qk, const SequenceContext& context) const;
  double factor() const { return factor_; }

 private:
  at::Tensor normalised(const Norm* norm, const at::Tensor& x) const;
  at::Tensor turned(const at::Tensor& x, const SequenceContext& context) const;
  std::pair<at::Tensor, at::Tensor> normalised_and_turned(const at::Tensor& qk, const SequenceContext& context) const;

  QueryKeySizes sizes_;
  QkNormConfig qk_norm_;
  std::unique_ptr<Norm> q_norm_, k_norm_;
  std::unique_ptr<Position> position_;
  std::unique_ptr<Score> score_;
  double factor_ = 1;
};

}  // namespace ingot
