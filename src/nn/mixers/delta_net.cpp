// DeltaNet: linear attention whose state is corrected by the delta rule.
//
//   q, k, v = silu(conv(W_q x)), silu(conv(W_k x)), silu(conv(W_v x));  beta = sigmoid(W_beta x)
//   per head:  k_t = k / sqrt(|k|² + eps), q_t = K^-1/2 q / sqrt(|q|² + eps)
//              S_t = (I - beta_t k_t k_tᵀ) S_{t-1} + beta_t k_t v_tᵀ,   o_t = S_tᵀ q_t
//   y = W_o concat_h rms_norm(o_h) gain;  a norm at the site `head` stands between that and W_o, for each head
//
//   x [B, T, d]; H heads of width K; W_q, W_k, W_v [HK, d], W_beta [H, d], W_o [d, HK]; depthwise causal convolutions of a few
//   taps without bias, [HK, taps]; gain [K], shared by the heads. No position encoding.
//   Yang et al. 2024, "Parallelizing Linear Transformers with the Delta Rule", arXiv:2406.06484; this form as in
//   Nemotron-Flash, arXiv:2511.18890.
//
//   State: the convolution's last inputs [B, taps - 1, 3HK] and S [B, H, K, K] in fp32.

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/zeros.h>

#include "base/text.h"
#include "config/fields.h"
#include "config/limits.h"
#include "nn/branch.h"
#include "nn/documents.h"
#include "nn/heads.h"
#include "nn/linear.h"
#include "ops/chunk/step.h"
#include "ops/delta_rule/delta_rule.h"
#include "ops/kernel_types.h"
#include "ops/rms_norm/rms_norm.h"
#include "ops/short_conv/short_conv.h"

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

class DeltaNet final : public Mixer {
 public:
  DeltaNet(const Config& config, const BranchContext& context)
      : config_(config),
        sizes_(config, context.d_model),
        d_model_(context.d_model),
        recompute_(context.recompute == Recompute::kSelective) {
    const ParamScope& scope = context.scope;
    qkv_beta_ = JoinedLinear(context, {reads_stream_spec("q.weight", "q", sizes_.width, d_model_),
                                       reads_stream_spec("k.weight", "k", sizes_.width, d_model_),
                                       reads_stream_spec("v.weight", "v", sizes_.width, d_model_),
                                       reads_stream_spec("beta.weight", "beta", sizes_.heads, d_model_)});
    std::vector<ParamSpec> convs;
    for (const char* part : {"q", "k", "v"}) {
      convs.push_back(conv_weight_spec(cat(part, "_conv.weight"), part, sizes_.width, config.conv_kernel));
    }
    conv_ = scope.leaf_of(scope.declare_joined(convs).front());
    gain_ = scope.declare(gain_spec("output_norm.gain", sizes_.head_dim));
    head_norm_ = make_site_norm(context, Site::kHead, "head_norm", sizes_.head_dim, sizes_.heads);
    o_ = Linear(context, writes_stream_spec("o.weight", "o", d_model_, sizes_.width));
  }

  at::Tensor forward(const at::Tensor& x, const SequenceContext& context, const StateFlow& states) const override {
    const StartTensors tails = start_tensors(context, states, 0), matrices = start_tensors(context, states, 1);
    const at::Tensor origin = origin_of(context, states);
    const auto core = [this, origin, chunks = chunks_of(context, states, config_.chunk),
                       final = states.final](const std::vector<at::Tensor>& in) {
      const ops::ConvTails starts{in[1], in[2]};
      const Heads h = heads(in[0], starts, origin);
      const ops::Recurrence out = ops::chunk_delta_rule(h.q, h.k, h.v, h.beta, {in[3], in[4]}, chunks, config_.chunk);
      if (final != nullptr) {
        *final = {{ops::short_conv_tail(h.conv_input, config_.conv_kernel, starts, origin), out.state}, 0};
      }
      return normed(out.y);
    };
    return o_.forward(core,
                      {qkv_beta_.forward_joined(x), tails.incoming, tails.fresh, matrices.incoming, matrices.fresh},
                      recompute_ && states.final == nullptr);
  }

  at::Tensor step(const at::Tensor& x, const SequenceContext& /*context*/, MixerState& state) const override {
    at::Tensor &tail = state.tensors[0], &matrix = state.tensors[1];
    const Heads h = heads(qkv_beta_.forward_joined(x), {tail, {}}, {});
    tail = at::cat({tail.narrow(1, 1, tail.size(1) - 1), h.conv_input}, 1);
    const auto token = [](const at::Tensor& t) { return t.select(1, 0); };
    const at::Tensor o = ops::state_step({token(h.q), token(h.k), token(h.v), {}, token(h.beta)}, matrix);
    return o_.forward(normed(o.unsqueeze(1)));
  }

  MixerState make_state(std::int64_t batch) const override {
    const at::TensorOptions options = qkv_beta_.weight().options().requires_grad(false);
    const at::ScalarType wide = ops::wide_type(qkv_beta_.weight().scalar_type());
    return {{at::zeros({batch, config_.conv_kernel - 1, 3 * sizes_.width}, options),
             at::zeros({batch, sizes_.heads, sizes_.head_dim, sizes_.head_dim}, options.dtype(wide))},
            0};
  }

  std::int64_t state_bytes(std::int64_t /*length*/, int element_bytes) const override {
    return (config_.conv_kernel - 1) * 3 * sizes_.width * element_bytes + 4 * sizes_.width * sizes_.head_dim;
  }

  std::vector<FlopItem> flops(std::int64_t /*seq_len*/, std::int64_t /*prefix*/) const override {
    const auto d = static_cast<double>(d_model_), width = static_cast<double>(sizes_.width);
    const auto dim = static_cast<double>(sizes_.head_dim), chunk = static_cast<double>(config_.chunk);
    const double projection = 2 * d * width;
    return {{"q", projection},
            {"k", projection},
            {"v", projection},
            {"beta", 2 * d * static_cast<double>(sizes_.heads)},
            {"conv", 6 * width * static_cast<double>(config_.conv_kernel)},
            {"chunk", width * (2 * chunk + 2 * chunk + 2 * chunk + 2 * chunk)},
            {"state", width * 6 * dim},
            {"o", projection}};
  }

  std::vector<std::string> own_norms() const override {
    return {cat("q, k: l2, eps ", config_.qk_norm_eps), cat("output_norm: rms_norm, eps ", config_.output_norm_eps)};
  }

 private:
  struct Heads {
    at::Tensor q, k, v, beta;  // [B, T, H, K], beta [B, T, H]
    at::Tensor conv_input;     // [B, T, 3HK]
  };

  /// projected [B, T, 3HK + H].
  Heads heads(const at::Tensor& projected, const ops::ConvTails& tails, const at::Tensor& origin) const {
    const std::vector<at::Tensor> parts = projected.split_with_sizes({3 * sizes_.width, sizes_.heads}, -1);
    const at::Tensor mixed = ops::short_conv(parts[0], conv_.weight(), {}, tails, origin, /*silu=*/true);
    const std::vector<at::Tensor> qkv =
        mixed.view({mixed.size(0), mixed.size(1), 3 * sizes_.heads, sizes_.head_dim}).split(sizes_.heads, 2);
    return {ops::l2_norm(qkv[0], config_.qk_norm_eps, query_scale(sizes_)), ops::l2_norm(qkv[1], config_.qk_norm_eps),
            qkv[2], at::sigmoid(parts[1].to(ops::wide_type(parts[1].scalar_type()))), parts[0]};
  }

  /// o [B, T, H, K] -> [B, T, HK].
  at::Tensor normed(const at::Tensor& o) const {
    return normalised(head_norm_, ops::rms_norm(o, gain_.compute(), config_.output_norm_eps)).flatten(2);
  }

  Config config_;
  Sizes sizes_;
  std::int64_t d_model_;
  bool recompute_;
  JoinedLinear qkv_beta_;
  WeightLeaf conv_;
  Param gain_;
  std::unique_ptr<Norm> head_norm_;
  Linear o_;
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

std::vector<Sample> samples(const Families& /*families*/) {
  Config plain;
  plain.num_heads = 4;
  plain.chunk = 16;
  Config wide;
  wide.num_heads = 3;
  wide.head_dim = 6;
  wide.conv_kernel = 3;
  return {{"plain", std::make_shared<ConfigBox<Config>>(plain)}, {"wide", std::make_shared<ConfigBox<Config>>(wide)}};
}

}  // namespace delta_net

void register_delta_net(Family<MixerEntry>& family) {
  using delta_net::Config;
  MixerEntry& e =
      family.add<Config>("delta_net", "Linear attention with delta-rule updates, and short convolutions before it.",
                         "Yang et al. 2024, arXiv:2406.06484");
  e.make = with_settings<Config>([](const Config& config, const BranchContext& context) -> std::unique_ptr<Mixer> {
    return std::make_unique<delta_net::DeltaNet>(config, context);
  });
  e.validate = with_settings<Config>(delta_net::validate);
  e.reference = with_settings<Config>(delta_net::reference);
  e.num_parameters = with_settings<Config>([](const Config& config, std::int64_t d_model) {
    const delta_net::Sizes sizes(config, d_model);
    return 4 * d_model * sizes.width + d_model * sizes.heads + 3 * config.conv_kernel * sizes.width + sizes.head_dim;
  });
  e.effective = with_settings<Config>([](Config config, const SettingsContext& context) {
    const delta_net::Sizes sizes(config, context.d_model);
    config.num_heads = sizes.heads;
    config.head_dim = sizes.head_dim;
    return std::make_shared<ConfigBox<Config>>(config);
  });
  e.sites = {Site::kHead};
  e.samples = delta_net::samples;
}

}  // namespace ingot
