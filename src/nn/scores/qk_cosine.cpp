// QKNorm's score: s_ij = g · cos(q_i, k_j)
//
//   g is learned, one number for the layer (or for each head), and starts at log2(L² - L), L being the longest
//   sequence, the meta prefix included: 20.0 at 1024. There is no 1/sqrt(K).
//   Henry et al. 2020, "Query-Key Normalization for Transformers", arXiv:2010.04245, section 3; L is there the 97.5th
//   percentile of the lengths of training sequences.

#include <cmath>

#include "base/text.h"
#include "config/fields.h"
#include "nn/linear.h"
#include "nn/norm_parts.h"
#include "nn/score_parts.h"

namespace ingot {
namespace qk_cosine {

struct Config {
  std::optional<double> start;
  bool per_head = false;
};

void describe(Fields& f, Config& c) {
  f.field("start", c.start, "where the learned factor starts; log2(L² - L) of the longest sequence L if absent",
          Rule{}.above(0));
  f.field("per_head", c.per_head, "whether each head has a factor of its own");
}

double start_of(const Config& config, std::int64_t max_length) {
  const auto length = static_cast<double>(std::max<std::int64_t>(max_length, 2));
  return config.start.value_or(std::log2(length * length - length));
}

class QkCosine final : public Score {
 public:
  QkCosine(const Config& config, const ScoreContext& context) : per_head_(config.per_head) {
    const std::int64_t count = config.per_head ? context.heads : 1;
    g_ = context.scope.declare({"g",
                                {count},
                                Role::kScalar,
                                "",
                                -1,
                                constant_init(start_of(config, context.max_length)),
                                cat("constant(", start_of(config, context.max_length), ")")});
  }

  at::Tensor query(const at::Tensor& q) const override {
    const at::Tensor g = g_.compute() / static_cast<double>(q.size(-1));
    if (!per_head_) return scores::root_length(q, g.expand({q.size(-1)}).contiguous());
    return (norms::wide(scores::root_length(q)) * g.unsqueeze(-1)).to(q.scalar_type());
  }
  at::Tensor key(const at::Tensor& k) const override { return scores::root_length(k); }

 private:
  bool per_head_;
  Param g_;
};

at::Tensor reference(const Config& /*config*/, const at::Tensor& q, const at::Tensor& k, const ParamMap& params) {
  return scores::cosine(q, k) * params.at("score.g").unsqueeze(-1);
}

}  // namespace qk_cosine

void register_qk_cosine(Family<ScoreEntry>& family) {
  using namespace qk_cosine;
  auto& e = add_entry<Config, QkCosine>(family, "qk_cosine", "The cosine of query and key times a learned factor.",
                                        "Henry et al. 2020, arXiv:2010.04245, section 3");
  e.factor = [](std::int64_t) { return 1.0; };
  e.samples = named_samples<Config>({{"layer", {}}, {"per_head", {4.0, true}}});
}

}  // namespace ingot
