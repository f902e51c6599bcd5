#include "nn/query_key.h"

#include <ATen/core/TensorBody.h>

#include "config/fields.h"
#include "nn/bind.h"

namespace ingot {

void describe(Fields& f, QkNormConfig& c) {
  f.choice(
      "over", c.over, {{"head", QkNormOver::kHead}, {"all_heads", QkNormOver::kAllHeads}},
      "head: each head by itself, with one gain for all; all_heads: all entries of a token's queries (keys) together, "
      "each with its own gain, as in OLMo 2");
  f.field("after_position", c.after_position,
          "whether they come after the position encoding, as in Llama 4 and nanochat, in place of before");
}

void describe(Fields& f, QueryKeyConfig& c) {
  f.field("position", c.position, "position encoding of queries and keys");
  f.field("qk_norm", c.qk_norm, "how norms at the sites q and k act, if there are any");
  f.field("score", c.score, "how a query and a key are compared");
}

QueryKey::QueryKey(const QueryKeyConfig& config, const BranchContext& context, const QueryKeySizes& sizes)
    : sizes_(sizes), qk_norm_(config.qk_norm) {
  const auto norm = [&](Site site, const std::string& name, std::int64_t heads) {
    const bool joint = qk_norm_.over == QkNormOver::kAllHeads;
    return make_site_norm(context, site, name, joint ? heads * sizes.head_dim : sizes.head_dim, joint ? 1 : heads);
  };
  q_norm_ = norm(Site::kQ, "q_norm", sizes.heads);
  k_norm_ = norm(Site::kK, "k_norm", sizes.kv_heads);
  const Variant<PositionEntry> position = bound(config.position, context.families);
  position_ = position.entry().make(position.settings(), {context.scope.sub("position"), context.d_model,
                                                          sizes.head_dim, context.max_length, /*at_embedding=*/false});
  const Variant<ScoreEntry> score = bound(config.score, context.families);
  score_ = score.entry().make(score.settings(),
                              {context.scope.sub("score"), sizes.heads, sizes.head_dim, context.max_length});
  factor_ = score.entry().factor(sizes.head_dim);
}

std::pair<at::Tensor, at::Tensor> QueryKey::forward(const at::Tensor& qk, const SequenceContext& context) const {
  auto [q, k] = normalised_and_turned(qk, context);
  if (score_) return {score_->query(q), score_->key(k)};
  return {q, k};
}

std::pair<at::Tensor, at::Tensor> QueryKey::normalised_and_turned(const at::Tensor& qk,
                                                                  const SequenceContext& context) const {
  const auto split = [this](const at::Tensor& x) { return x.split_with_sizes({sizes_.heads, sizes_.kv_heads}, 2); };
  if (qk_norm_.after_position || (!q_norm_ && !k_norm_)) {
    const auto parts = split(turned(qk, context));  // one rotation for both
    return {normalised(q_norm_.get(), parts[0]), normalised(k_norm_.get(), parts[1])};
  }
  const auto parts = split(qk);
  return {turned(normalised(q_norm_.get(), parts[0]), context), turned(normalised(k_norm_.get(), parts[1]), context)};
}

at::Tensor QueryKey::normalised(const Norm* norm, const at::Tensor& x) const {
  if (norm == nullptr) return x;
  return qk_norm_.over == QkNormOver::kHead ? norm->forward(x) : norm->forward(x.flatten(2)).view(x.sizes());
}

at::Tensor QueryKey::turned(const at::Tensor& x, const SequenceContext& context) const {
  return position_ ? position_->rotate(x, context) : x;
}

}  // namespace ingot
