// Softmax attention with grouped key and value heads.
//
//   q = W_q x, k = W_k x, v = W_v x;   y = W_o concat_h softmax_j(score(q_ih, k_jh')) v_jh'
//
//   x [B, T, d]; H query heads and H' key/value heads of width K, head h reads h' = h / (H/H'); W_q [HK, d],
//   W_k, W_v [H'K, d], W_o [d, HK]; the score is K^-1/2 q · k unless set (nn/scores). Query i sees key j of its
//   document iff 0 <= i - j < window (no window: all j <= i); the rows of the meta prefix are ordinary keys, or always
//   seen with `always_see_prefix`. Norms of q and k, position and score: nn/query_key.h.
//   A norm at the site `head` is one of each head's output, the sum over j. With `head_scale`, c_h stands before it, c
//   [H] starting at 1 (Shleifer et al. 2021, arXiv:2110.09456).
//   With `value_residual`, v + λ (v_first - v) stands for v (nn/value_residual.h).
//   Vaswani et al. 2017, arXiv:1706.03762, section 3.2; grouped heads: Ainslie et al. 2023, arXiv:2305.13245.
//
//   State: keys and values (turned by the position encoding) [B, S, H', K] and their positions within the document
//   [B, S]; where rows may hold several documents also [B, S] bool, whether the row belongs to the last one. `length`
//   is the number of rows in use. Under a window only the rows that a later token can see are kept.

#include "ops/attention/attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>

#include <limits>

#include "base/text.h"
#include "config/fields.h"
#include "nn/attention_settings.h"
#include "nn/auxiliary_losses.h"
#include "nn/branch.h"
#include "nn/key_sources.h"
#include "nn/key_value_state.h"
#include "nn/linear.h"
#include "nn/query_key.h"
#include "nn/value_residual.h"
#include "ops/attention/largest_scores.h"
#include "registry/add_entry.h"

namespace ingot {
namespace attention {

class Attention final : public Mixer {
 public:
  Attention(const Config& config, const BranchContext& context)
      : scope_(context.scope.prefix()),
        sizes_(config, context.d_model),
        d_model_(context.d_model),
        window_(config.window.value_or(0)),
        always_see_prefix_(config.always_see_prefix),
        recompute_(context.recompute == Recompute::kSelective) {
    const std::int64_t width = sizes_.heads * sizes_.head_dim, kv_width = sizes_.kv_heads * sizes_.head_dim;
    qkv_ = JoinedLinear(context, {reads_stream_spec("q.weight", "q", width, d_model_, sizes_.head_dim),
                                  reads_stream_spec("k.weight", "k", kv_width, d_model_, sizes_.head_dim),
                                  reads_stream_spec("v.weight", "v", kv_width, d_model_, sizes_.head_dim)});
    query_key_.emplace(config.query_key, context, QueryKeySizes{sizes_.heads, sizes_.kv_heads, sizes_.head_dim});
    scale_ = config.scale.value_or(query_key_->factor());
    v_norm_ = make_site_norm(context, Site::kV, "v_norm", sizes_.head_dim, sizes_.kv_heads);
    head_norm_ = make_site_norm(context, Site::kHead, "head_norm", sizes_.head_dim, sizes_.heads);
    if (config.head_scale) {
      head_scale_ =
          context.scope.declare({"head_scale", {sizes_.heads}, Role::kScalar, "", -1, constant_init(1), "ones"});
    }
    if (config.value_residual) {
      value_residual_ = ValueResidual(context, *config.value_residual, sizes_.kv_heads, sizes_.head_dim);
    }
    o_ = Linear(context, writes_stream_spec("o.weight", "o", d_model_, width));
  }

  at::Tensor forward(const at::Tensor& x, const SequenceContext& context, const StateFlow& states) const override {
    const at::Tensor projected = project(x);
    const KeySources sources(context, states);
    std::vector<at::Tensor> inputs = sources.before(0);
    const auto count = static_cast<std::ptrdiff_t>(inputs.size());
    for (const at::Tensor& v : sources.before(1)) inputs.push_back(v);
    inputs.push_back(value_residual_.first(projected, context));
    inputs.push_back(projected);
    Heads all;  // the keys before this call's own included
    const auto core = [this, context, count, seen = visible_keys(projected, context, sources),
                       out = states.final != nullptr ? &all : nullptr](const std::vector<at::Tensor>& in) {
      auto [q, k, v] = heads(in.back(), *(in.end() - 2), context);
      if (count > 0) {
        std::vector<at::Tensor> keys(in.begin(), in.begin() + count), values(in.begin() + count, in.end() - 2);
        keys.push_back(k);
        values.push_back(v);
        k = join_rows(keys);
        v = join_rows(values);
      }
      if (out != nullptr) *out = {q, k, v};
      if (context.counts() && context.losses != nullptr && context.losses->measures_scores()) {
        context.losses->tell_scores(scope_, ops::largest_scores(q, k, seen, scale_));
      }
      return head_outputs(ops::attention(q, k, v, seen, scale_));
    };
    const at::Tensor y = o_.forward(core, inputs, recompute_ && states.final == nullptr);
    if (states.final != nullptr) *states.final = final_state(all.k, all.v, context, sources);
    return y;
  }

  at::Tensor step(const at::Tensor& x, const SequenceContext& context, MixerState& state) const override {
    const at::Tensor projected = project(x);
    const auto [q, k, v] = heads(projected, value_residual_.first(projected, context), context);
    const std::int64_t front = rule(context).always;
    const bool masked = state.tensors.size() == 4;
    if (is_full(state)) trim(state, front);
    const auto for_rows_of = [&](std::size_t index, const at::Tensor& rows) {
      return state.tensors[index].size(0) == 1 ? rows.narrow(0, 0, 1) : rows;
    };
    std::vector<at::Tensor> row = {k, v, for_rows_of(2, context.position)};
    if (masked) row.push_back(for_rows_of(3, at::ones_like(context.position, at::TensorOptions(at::kBool))));
    append_row(state, row);
    const bool skips = window_ > 0 && front == 0 && !masked;
    const std::int64_t length = skips ? std::min(state.length, window_) : state.length;
    const auto last = [&](std::size_t index) { return in_use(state, index).narrow(1, state.length - length, length); };
    ops::VisibleKeys seen{length > window_ ? window_ : 0, std::min(front, length - 1), always_see_prefix_, {}, {}};
    if (masked) {
      const at::Tensor valid = last(3).unsqueeze(1);
      seen.mask = ops::attention_mask(context.position, last(2), valid, rule(context), ops::attention_type(q));
    }
    return o_.forward(head_outputs(ops::attention(q, last(0), last(1), seen, scale_)));
  }

  MixerState make_state(std::int64_t batch) const override {
    const at::TensorOptions options = qkv_.weight().options().requires_grad(false);
    const at::Tensor none = at::empty({batch, 0, sizes_.kv_heads, sizes_.head_dim}, options);
    return {{none, none.clone(), at::empty({batch, 0}, options.dtype(at::kLong))}, 0};
  }

  std::int64_t state_bytes(std::int64_t length, int element_bytes) const override {
    const std::int64_t rows = window_ > 0 ? std::min(length, window_ - 1) : length;
    return rows * (2 * sizes_.kv_heads * sizes_.head_dim * element_bytes + 8);
  }

  std::vector<FlopItem> flops(std::int64_t seq_len, std::int64_t prefix) const override {
    double keys = 0;
    for (std::int64_t t = 0; t < seq_len; ++t) keys += static_cast<double>(visible(prefix, t));
    keys /= static_cast<double>(std::max<std::int64_t>(seq_len, 1));
    const auto width = static_cast<double>(sizes_.heads * sizes_.head_dim);
    const auto kv_width = static_cast<double>(sizes_.kv_heads * sizes_.head_dim);
    const auto d = static_cast<double>(d_model_);
    return {{"q", 2 * d * width},         {"k", 2 * d * kv_width},      {"v", 2 * d * kv_width},
            {"scores", 2 * width * keys}, {"values", 2 * width * keys}, {"o", 2 * d * width}};
  }

 private:
  struct Heads {
    at::Tensor q, k, v;
  };

  /// q, k and v of all heads, [B, T, H + 2H', K].
  at::Tensor project(const at::Tensor& x) const {
    return qkv_.forward_joined(x).view({x.size(0), x.size(1), -1, sizes_.head_dim});
  }

  /// q [B, T, H, K]; k, v [B, T, H', K], as the products take them.
  Heads heads(const at::Tensor& joined, const at::Tensor& first, const SequenceContext& context) const {
    const std::vector<at::Tensor> parts = joined.split_with_sizes({sizes_.heads + sizes_.kv_heads, sizes_.kv_heads}, 2);
    const at::Tensor v = value_residual_.mix(parts[1], first);
    const auto [q, k] = query_key_->forward(parts[0], context);
    return {q, k, normalised(v_norm_, v)};
  }

  /// y [B, T, H, K] -> [B, T, HK], as W_o reads it.
  at::Tensor head_outputs(const at::Tensor& y) const {
    const at::Tensor normed = normalised(head_norm_, y);
    return (head_scale_ ? normed * head_scale_.compute().unsqueeze(-1).to(y.scalar_type()) : normed).flatten(2);
  }

  ops::PositionRule rule(const SequenceContext& context) const {
    return {window_, always_see_prefix_ ? context.prefix : 0};
  }

  /// q: queries, or a tensor like them but for the number of heads.
  ops::VisibleKeys visible_keys(const at::Tensor& q, const SequenceContext& context, const KeySources& sources) const {
    const std::int64_t fresh = sources.fresh != nullptr ? sources.fresh->length : 0, before = sources.length();
    const std::string key = cat("attention ", window_, " ", always_see_prefix_, " ", fresh, " ", before, " ",
                                sources.continues, " ", static_cast<int>(q.scalar_type()));
    ops::VisibleKeys seen{window_, std::min(rule(context).always, before), always_see_prefix_, {}, {}};
    if (sources.has_valid() || (context.may_reset && sources.continues)) {
      // Documents begin at another row of the state in each row of the batch.
      seen.mask = context.cached(key, [&] {
        const at::Tensor position = distinct_rows(context.position);
        return ops::attention_mask(position, join_rows(sources.with(2, position)), sources.same_document(context, 0),
                                   rule(context), ops::attention_type(q));
      });
      return seen;
    }
    if (context.may_reset) {
      seen.front = before;
      seen.start = context.cached(cat("attention start ", before), [&] {
        const at::Tensor own = at::arange(before, before + q.size(1), context.position.options());
        return own - (context.position - context.prefix);
      });
    }
    if (ops::attention_needs_mask(q, seen)) {
      seen.mask = context.cached(key, [&] { return ops::attention_mask(q, before + q.size(1), seen); });
    }
    return seen;
  }

  /// k, v: all keys and values of the call, those before it included.
  MixerState final_state(const at::Tensor& k, const at::Tensor& v, const SequenceContext& context,
                         const KeySources& sources) const {
    const at::Tensor own = distinct_rows(context.position);
    MixerState state{{k, v, sources.any() ? join_rows(sources.with(2, own)) : own}, k.size(1)};
    if (context.may_reset || sources.has_valid()) {
      const at::Tensor same = sources.same_document(context, own.size(1) - 1);
      state.tensors.push_back(same.squeeze(1));
      return state;
    }
    std::int64_t front = 0;
    if (always_see_prefix_) {
      // The prefix itself, which starts from nothing, is kept whole.
      const std::int64_t before = k.size(1) - own.size(1);
      front = before == 0 && !sources.continues ? k.size(1) : std::min(context.prefix, before);
    }
    trim(state, front);
    return state;
  }

  /// Drops what no later token sees: all but the first `front` and the last window - 1 rows. States of rows with
  /// several documents keep everything: what is last differs from row to row.
  void trim(MixerState& state, std::int64_t front) const {
    if (window_ > 0 && state.tensors.size() < 4) keep_rows(state, front, window_ - 1);
  }

  std::int64_t visible(std::int64_t prefix, std::int64_t t) const {
    const std::int64_t all = prefix + t + 1;
    if (window_ == 0 || all <= window_) return all;
    const std::int64_t far_prefix = always_see_prefix_ ? std::min(prefix, all - window_) : 0;
    return window_ + far_prefix;
  }

  std::string scope_;
  Sizes sizes_;
  std::int64_t d_model_;
  std::int64_t window_;
  bool always_see_prefix_;
  bool recompute_;
  JoinedLinear qkv_;
  std::optional<QueryKey> query_key_;
  double scale_ = 1;
  std::unique_ptr<Norm> v_norm_, head_norm_;
  Param head_scale_;
  ValueResidual value_residual_;
  Linear o_;
};

/// Positions within documents, from 0.
at::Tensor positions(const at::Tensor& document, std::int64_t batch, std::int64_t length, const at::Tensor& like) {
  const at::Tensor index = at::arange(length, like.options().dtype(at::kLong)).expand({batch, length});
  if (!document.defined()) return index;
  const at::Tensor same = document.unsqueeze(2) == document.unsqueeze(1);
  return same.tril().sum(2) - 1;
}

at::Tensor reference(const Config& config, const at::Tensor& x, const ParamMap& params, const at::Tensor& document) {
  const std::int64_t batch = x.size(0), length = x.size(1);
  const Sizes sizes(config, x.size(2));
  const at::Tensor position = positions(document, batch, length, x);
  const auto heads = [&](const std::string& part, std::int64_t count) {
    return at::linear(x, params.at(part + ".weight")).view({batch, length, count, sizes.head_dim});
  };
  const auto& encoding = config.query_key.position;
  const auto& score = config.query_key.score;
  const double scale = config.scale.value_or(score.entry().factor(sizes.head_dim));
  const auto turned = [&](const at::Tensor& h) {
    return encoding.entry().reference(encoding.settings(), h, position, params);
  };
  const std::int64_t group = sizes.heads / sizes.kv_heads;
  const at::Tensor q = turned(heads("q", sizes.heads));
  const at::Tensor k = turned(heads("k", sizes.kv_heads)).repeat_interleave(group, 2);
  const at::Tensor v = heads("v", sizes.kv_heads).repeat_interleave(group, 2);
  std::vector<at::Tensor> rows;
  for (std::int64_t t = 0; t < length; ++t) {
    const std::int64_t first = config.window ? std::max<std::int64_t>(0, t + 1 - *config.window) : 0;
    const at::Tensor keys = k.narrow(1, first, t + 1 - first), values = v.narrow(1, first, t + 1 - first);
    at::Tensor scores = scale * score.entry().reference(score.settings(), q.narrow(1, t, 1), keys, params);
    if (document.defined()) {
      const at::Tensor other = document.narrow(1, first, t + 1 - first) != document.narrow(1, t, 1);
      scores = scores.masked_fill(other.view({batch, -1, 1, 1}), -std::numeric_limits<double>::infinity());
    }
    rows.push_back((at::softmax(scores, 1) * values).sum(1));
  }
  at::Tensor y = at::stack(rows, 1);
  if (config.head_scale) y = y * params.at("head_scale").unsqueeze(-1);
  return at::linear(y.flatten(2), params.at("o.weight"));
}

std::vector<Sample> samples(const Families& families) {
  std::vector<Sample> out;
  const auto add = [&](const std::string& name, Config config, const std::string& position,
                       const std::string& score = "dot") {
    config.query_key.position = make_variant<PositionEntry>(families, position);
    config.query_key.score = make_variant<ScoreEntry>(families, score);
    out.push_back({name, std::make_shared<ConfigBox<Config>>(config)});
  };
  Config config;
  config.num_heads = 4;
  add("plain", config, "none");
  config.num_kv_heads = 2;
  add("grouped_rope", config, "rope");
  config.window = 5;
  add("window", config, "rope");
  config.always_see_prefix = true;
  add("window_and_prefix", config, "rope");
  Config wide;
  wide.num_heads = 3;
  wide.num_kv_heads = 1;
  wide.head_dim = 6;
  wide.scale = 0.3;
  wide.head_scale = true;
  add("wide", wide, "rope");
  for (const char* score : {"qk_cosine", "ngpt"}) {
    Config other;
    other.num_heads = 4;
    other.num_kv_heads = 2;
    add(score, other, "rope", score);
  }
  return out;
}

}  // namespace attention

void register_attention(Family<MixerEntry>& family) {
  using namespace attention;
  auto& e = add_entry<Config, Attention>(family, "attention",
                                         "Softmax attention with grouped key/value heads and an optional window.",
                                         "Vaswani et al. 2017, arXiv:1706.03762");
  e.validate = with_settings<Config>(validate);
  e.effective = effective_settings<Config>(effective);
  e.sites = {Site::kQ, Site::kK, Site::kV, Site::kHead};
  e.samples = attention::samples;
}

}  // namespace ingot
