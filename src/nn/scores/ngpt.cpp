// nGPT's score: s_ij = sqrt(K) · (s_qk ⊙ q_i/|q_i|) · (s_qk ⊙ k_j/|k_j|)
//
//   s_qk = p · start/stored, p [H, K] learned and stored at D^-1/2, so that the optimizer moves s_qk by sqrt(D) times
//   its own learning rate; start 1. Keys of a group serve several query heads, so s_qk² stands on the queries' side
//   alone, which gives the same scores and the same gradients.
//   Loshchilov et al. 2024, arXiv:2410.01131, section 2.3.2, eqs. 15-16; after the rotation as in its released code.

#include <cmath>

#include "base/text.h"
#include "config/fields.h"
#include "nn/norm_parts.h"
#include "nn/score_parts.h"

namespace ingot {
namespace ngpt_score {

struct Config {
  double start = 1;
};

void describe(Fields& f, Config& c) {
  f.field("start", c.start, "factor of each entry of unit queries and keys at the start", Rule{}.above(0));
}

double stored(std::int64_t heads, std::int64_t head_dim) {
  return 1 / std::sqrt(static_cast<double>(heads * head_dim));
}

class Ngpt final : public Score {
 public:
  Ngpt(const Config& config, const ScoreContext& context) {
    const double start = stored(context.heads, context.head_dim);
    factor_ = config.start / start;
    s_qk_ = context.scope.declare({"s_qk",
                                   {context.heads, context.head_dim},
                                   Role::kGain,
                                   "",
                                   -1,
                                   constant_init(start),
                                   cat("constant(", start, ")")});
  }

  at::Tensor query(const at::Tensor& q) const override {
    const at::Tensor s = s_qk_.compute() * factor_;
    return (norms::wide(scores::root_length(q)) * (s.square() / static_cast<double>(q.size(-1)))).to(q.scalar_type());
  }
  at::Tensor key(const at::Tensor& k) const override { return scores::root_length(k); }

 private:
  double factor_;
  Param s_qk_;
};

at::Tensor reference(const Config& config, const at::Tensor& q, const at::Tensor& k, const ParamMap& params) {
  const at::Tensor& p = params.at("score.s_qk");
  return scores::cosine(q, k, (p * (config.start / stored(p.size(0), p.size(1)))).square());
}

}  // namespace ngpt_score

void register_ngpt(Family<ScoreEntry>& family) {
  using namespace ngpt_score;
  auto& e =
      add_entry<Config, Ngpt>(family, "ngpt", "Unit queries and keys with a learned factor for each of their entries.",
                              "Loshchilov et al. 2024, arXiv:2410.01131, section 2.3.2");
  e.factor = [](std::int64_t head_dim) { return std::sqrt(static_cast<double>(head_dim)); };
}

}  // namespace ingot
