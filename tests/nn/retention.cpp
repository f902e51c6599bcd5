// Retention with a gate: linear attention whose memory fades at a fixed rate of each head.
//
//   q, k, v, g = W_q x, W_k x, W_v x, W_g x;  per head h: γ = 1 - 2^-(2+h)
//   S_t = γ S_{t-1} + k_t v_tᵀ,  o_t = S_tᵀ q_t / sqrt(K);  y = W_o (o ⊙ silu(g))
//
//   x [B, T, d]; H heads of width K; all matrices [HK, d], W_o [d, HK].
//   After Sun et al. 2023, "Retentive Network", arXiv:2307.08621, without its rotations and its norm of heads.

#include "nn/retention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/einsum.h>
#include <ATen/ops/exp2.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/log.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>

#include "config/fields.h"
#include "nn/linear.h"
#include "nn/recurrent_mixer.h"
#include "ops/kernel_types.h"
#include "registry/add_entry.h"

namespace ingot::testing {
namespace retention {

struct Config {
  std::int64_t num_heads = 4;
};

void describe(Fields& f, Config& c) { f.field("num_heads", c.num_heads, "heads", Rule{}.at_least(1)); }

/// [H], log γ.
at::Tensor log_decay(std::int64_t heads) { return at::log(1 - at::exp2(-2 - at::arange(heads, at::kDouble))); }

RecurrentParts parts_of(std::int64_t heads, std::int64_t d) {
  RecurrentParts parts{{}, {}, heads, d / heads, d / heads};
  for (const char* part : {"q", "k", "v", "g"}) {
    parts.projections.push_back(reads_stream_spec(std::string(part) + ".weight", part, d, d));
  }
  return parts;
}

class Retention final : public RecurrentMixer {
 public:
  Retention(const Config& config, const BranchContext& context)
      : RecurrentMixer(context, parts_of(config.num_heads, context.d_model)),
        heads_(config.num_heads),
        width_(context.d_model / config.num_heads) {
    declare_output(context, "o");
  }

 protected:
  at::Tensor mix(const std::vector<at::Tensor>& parts, const Recur& recur) const override {
    const at::Tensor q = by_head(parts[0], width_) / std::sqrt(static_cast<double>(width_)),
                     k = by_head(parts[1], width_);
    const at::Tensor g = log_decay(heads_).to(ops::wide_type(q.scalar_type())).expand({q.size(0), q.size(1), heads_});
    return recur({q, k, by_head(parts[2], width_), g, {}}).flatten(2) * at::silu(parts[3]);
  }

  ops::Recurrence parallel(const Tokens& t, const ops::RecurrentStates& starts,
                           const RecurrentDocuments& documents) const override {
    const std::vector<std::int64_t> shape = {t.q.size(0), heads_, width_, width_};
    const at::TensorOptions wide = t.q.options().dtype(t.log_decay.scalar_type());
    at::Tensor state = ops::start_state(starts.incoming, shape, wide);
    const at::Tensor fresh = ops::start_state(starts.fresh, shape, wide), &origin = documents.origin;
    std::vector<at::Tensor> rows;
    for (std::int64_t i = 0; i < t.q.size(1); ++i) {
      if (origin.defined()) state = at::where((origin.select(1, i) == i).view({-1, 1, 1, 1}), fresh, state);
      const auto at_row = [&](const at::Tensor& x) { return x.select(1, i).to(wide); };
      state = state * at_row(t.log_decay).exp().unsqueeze(-1).unsqueeze(-1) +
              at_row(t.k).unsqueeze(-1) * at_row(t.v).unsqueeze(-2);
      rows.push_back((state * at_row(t.q).unsqueeze(-1)).sum(-2));
    }
    return {at::stack(rows, 1).to(t.v.scalar_type()), state};
  }

  std::vector<FlopItem> recurrence_flops() const override {
    return {{"state", 5.0 * static_cast<double>(heads_ * width_ * width_)}};
  }

 private:
  std::int64_t heads_, width_;
};

/// As attention: o_i = sum over j <= i of one document of γ^(i-j) (q_i · k_j) v_j.
at::Tensor reference(const Config& config, const at::Tensor& x, const ParamMap& params, const at::Tensor& document) {
  const std::int64_t width = x.size(2) / config.num_heads;
  const auto project = [&](const std::string& part) { return at::linear(x, params.at(part + ".weight")); };
  const auto heads = [&](const std::string& part) { return project(part).unflatten(2, {-1, width}); };
  const at::Tensor index = at::arange(x.size(1)), distance = index.unsqueeze(1) - index;
  const at::Tensor decay = (distance * log_decay(config.num_heads).view({-1, 1, 1})).exp();  // [H, T, T]
  at::Tensor visible = (distance >= 0).unsqueeze(0);
  if (document.defined()) visible = visible * (document.unsqueeze(2) == document.unsqueeze(1));
  const at::Tensor products = at::einsum("bihk,bjhk->bhij", {heads("q"), heads("k")});
  const at::Tensor scores =
      at::where(visible.unsqueeze(1), products * decay, 0) / std::sqrt(static_cast<double>(width));
  const at::Tensor o = at::einsum("bhij,bjhk->bihk", {scores, heads("v")}).flatten(2);
  return at::linear(o * at::silu(project("g")), params.at("o.weight"));
}

}  // namespace retention

void register_retention(Family<MixerEntry>& family) {
  using namespace retention;
  MixerEntry& e =
      add_entry<Config, Retention>(family, "retention", "Linear attention that fades at fixed rates; of the tests.",
                                   "Sun et al. 2023, arXiv:2307.08621");
  e.sites = {Site::kHead};
}

}  // namespace ingot::testing
