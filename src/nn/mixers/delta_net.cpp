// DeltaNet: linear attention whose state is corrected by the delta rule.
//
//   q, k, v = silu(conv(W_q x)), silu(conv(W_k x)), silu(conv(W_v x));  beta = sigmoid(W_beta x)
//   per head:  k_t = k / sqrt(|k|² + eps), q_t = K^-1/2 q / sqrt(|q|² + eps)
//              S_t = (I - beta_t k_t k_tᵀ) S_{t-1} + beta_t k_t v_tᵀ,   o_t = S_tᵀ q_t
//   y = W_o concat_h rms_norm(o_h) gain;  a norm at the site `head` stands between that and W_o, for each head
//
//   x [B, T, d]; H heads of width K; W_q, W_k, W_v [HK, d], W_beta [H, d], W_o [d, HK]; depthwise causal convolutions
//   of a few taps without bias, [HK, taps]; gain [K], shared by the heads. No position encoding.
//   Yang et al. 2024, "Parallelizing Linear Transformers with the Delta Rule", arXiv:2406.06484; this form as in
//   Nemotron-Flash, arXiv:2511.18890.

#include <ATen/TensorOperators.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/sigmoid.h>

#include "base/text.h"
#include "config/fields.h"
#include "config/limits.h"
#include "nn/heads.h"
#include "nn/linear.h"
#include "nn/recurrent_mixer.h"
#include "ops/delta_rule/delta_rule.h"
#include "ops/kernel_types.h"
#include "ops/rms_norm/rms_norm.h"
#include "ops/short_conv/short_conv.h"
#include "registry/add_entry.h"

namespace ingot {
namespace delta_net {

struct Config {
  std::optional<std::int64_t> num_heads;
  std::optional<std::int64_t> head_dim;
  std::int64_t conv_kernel = 4;
  double qk_norm_eps = 1e-6;
  double output_norm_eps = 1e-5;
  std::int64_t chunk = 64;
};

void describe(Fields& f, Config& c) {
  f.field("num_heads", c.num_heads, "heads; d_model / head_dim if absent", Rule{}.at_least(1).at_most(limits::kWidth));
  f.field("head_dim", c.head_dim, "width of a head; d_model / num_heads if absent",
          Rule{}.at_least(1).at_most(limits::kHead));
  f.field("conv_kernel", c.conv_kernel, "taps of the convolutions", Rule{}.at_least(2).at_most(8));
  f.field("qk_norm_eps", c.qk_norm_eps, "added to the squared length of queries and keys", Rule{}.above(0));
  f.field("output_norm_eps", c.output_norm_eps, "added to the mean square of a head's output", Rule{}.above(0));
  f.field("chunk", c.chunk, "tokens computed at once in training",
          Rule{}.at_least(1).at_most(limits::kLength).layout());
}

struct Sizes {
  std::int64_t heads, head_dim, width;

  Sizes(const Config& c, std::int64_t d_model) {
    const HeadSizes sizes = head_sizes(c.num_heads, c.head_dim, d_model);
    heads = sizes.heads;
    head_dim = sizes.head_dim;
    width = heads * head_dim;
  }
};

std::vector<std::pair<std::string, std::string>> validate(const Config& c, std::int64_t d_model) {
  return check_heads(c.num_heads, c.head_dim, d_model);
}

double query_scale(const Sizes& sizes) { return 1 / std::sqrt(static_cast<double>(sizes.head_dim)); }

RecurrentParts parts_of(const Config& config, std::int64_t d_model) {
  const Sizes sizes(config, d_model);
  RecurrentConv conv{0, 3, {}, {}};
  RecurrentParts parts{{}, {}, sizes.heads, sizes.head_dim, sizes.head_dim, config.chunk};
  for (const char* part : {"q", "k", "v"}) {
    parts.projections.push_back(reads_stream_spec(cat(part, ".weight"), part, sizes.width, d_model, sizes.head_dim));
    conv.weights.push_back(conv_weight_spec(cat(part, "_conv.weight"), part, sizes.width, config.conv_kernel));
  }
  parts.projections.push_back(reads_stream_spec("beta.weight", "beta", sizes.heads, d_model, 1));
  parts.conv = std::move(conv);
  return parts;
}

class DeltaNet final : public RecurrentMixer {
 public:
  DeltaNet(const Config& config, const BranchContext& context)
      : RecurrentMixer(context, parts_of(config, context.d_model)),
        config_(config),
        sizes_(config, context.d_model),
        gain_(context.scope.declare(gain_spec("output_norm.gain", sizes_.head_dim))) {
    declare_output(context, "o");
  }

  std::vector<std::string> own_norms() const override {
    return {cat("q, k: l2, eps ", config_.qk_norm_eps), cat("output_norm: rms_norm, eps ", config_.output_norm_eps)};
  }

 protected:
  at::Tensor mix(const std::vector<at::Tensor>& parts, const Recur& recur) const override {
    const auto heads = [&](std::size_t part) { return by_head(parts[part], sizes_.head_dim); };
    const at::Tensor q = ops::l2_norm(heads(0), config_.qk_norm_eps, query_scale(sizes_));
    const at::Tensor k = ops::l2_norm(heads(1), config_.qk_norm_eps);
    const at::Tensor beta = at::sigmoid(parts[3].to(ops::wide_type(parts[3].scalar_type())));
    const at::Tensor o = recur({q, k, heads(2), {}, beta});
    return ops::rms_norm(o, gain_.compute(), config_.output_norm_eps).flatten(2);
  }

  ops::Recurrence parallel(const Tokens& t, const ops::RecurrentStates& starts,
                           const RecurrentDocuments& documents) const override {
    return ops::chunk_delta_rule(t.q, t.k, t.v, t.beta, starts, documents.chunks, config_.chunk);
  }

  std::vector<FlopItem> recurrence_flops() const override {
    const auto width = static_cast<double>(sizes_.width), dim = static_cast<double>(sizes_.head_dim);
    return {{"chunk", width * 8 * static_cast<double>(config_.chunk)}, {"state", width * 6 * dim}};
  }

 private:
  Config config_;
  Sizes sizes_;
  Param gain_;
};

at::Tensor reference(const Config& config, const at::Tensor& x, const ParamMap& params, const at::Tensor& document) {
  const Sizes sizes(config, x.size(2));
  const at::Tensor origin = document.defined() ? ops::document_origin(document, false) : at::Tensor();
  const auto heads = [&](const std::string& part) {
    const at::Tensor projected = at::linear(x, params.at(part + ".weight"));
    return ops::short_conv_reference(projected, params.at(part + "_conv.weight"), {}, {}, origin, true)
        .unflatten(2, {sizes.heads, sizes.head_dim});
  };
  const at::Tensor q = ops::l2_norm_reference(heads("q"), config.qk_norm_eps, query_scale(sizes));
  const at::Tensor k = ops::l2_norm_reference(heads("k"), config.qk_norm_eps);
  const at::Tensor beta = at::sigmoid(at::linear(x, params.at("beta.weight")));
  const at::Tensor o = ops::delta_rule_reference(q, k, heads("v"), beta, {}, origin).y;
  const at::Tensor normed = ops::rms_norm_reference(o, params.at("output_norm.gain"), config.output_norm_eps);
  return at::linear(normed.flatten(2), params.at("o.weight"));
}

Config effective(Config config, const SettingsContext& context) {
  const Sizes sizes(config, context.d_model);
  config.num_heads = sizes.heads;
  config.head_dim = sizes.head_dim;
  return config;
}

}  // namespace delta_net

void register_delta_net(Family<MixerEntry>& family) {
  using namespace delta_net;
  auto& e = add_entry<Config, DeltaNet>(family, "delta_net",
                                        "Linear attention with delta-rule updates, and short convolutions before it.",
                                        "Yang et al. 2024, arXiv:2406.06484");
  e.validate = with_settings<Config>(validate);
  e.effective = effective_settings(effective);
  e.sites = {Site::kHead};
  e.samples = named_samples<Config>({{"plain", {.num_heads = 4, .head_dim = {}, .chunk = 16}},
                                     {"wide", {.num_heads = 3, .head_dim = 6, .conv_kernel = 3}}});
}

}  // namespace ingot
