// Mamba-2: a state-space recurrence with one decay per head, gated.
//
//   z, x', b, c, dt = W_z x, W_x x, W_b x, W_c x, W_dt x;   [x' b c] <- silu(conv([x' b c]) + conv bias)
//   Δ = softplus(dt + dt_bias), A = -exp(a_log)
//   per head:  S_t = exp(Δ_t A) S_{t-1} + Δ_t b_t x'_tᵀ,   o_t = S_tᵀ c_t + D x'_t
//   y = W_out (rms_norm(o ⊙ silu(z)) gain);  a norm at the site `head` stands between that and W_out, for each head
//
//   x [B, T, d]; inner width I = expand · d in H = I / P heads of width P; G groups of heads share b and c of width N
//   each; W_z, W_x [I, d], W_b, W_c [GN, d], W_dt [H, d], W_out [d, I]; convolution [I + 2GN, taps] and bias; a_log,
//   dt_bias, D [H]; the norm runs over I / G channels, gain [I].
//   Dao & Gu 2024, "Transformers are SSMs", arXiv:2405.21060; sizes as in Nemotron-Flash, arXiv:2511.18890.

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/softplus.h>

#include "base/random.h"
#include "base/text.h"
#include "config/fields.h"
#include "config/limits.h"
#include "nn/linear.h"
#include "nn/recurrent_mixer.h"
#include "ops/rms_norm/rms_norm.h"
#include "ops/scale_heads/scale_heads.h"
#include "ops/short_conv/short_conv.h"
#include "ops/ssd/ssd.h"
#include "registry/add_entry.h"

namespace ingot {
namespace mamba2 {

struct Config {
  std::int64_t state_dim = 128;
  std::int64_t expand = 2;
  std::int64_t head_dim = 64;
  std::int64_t num_groups = 1;
  std::int64_t conv_kernel = 4;
  double norm_eps = 1e-5;
  std::int64_t chunk = 64;
};

void describe(Fields& f, Config& c) {
  f.field("state_dim", c.state_dim, "width of b and c, rows of a head's state",
          Rule{}.at_least(1).at_most(limits::kHead));
  f.field("expand", c.expand, "inner width as a multiple of d_model", Rule{}.at_least(1).at_most(1000));
  f.field("head_dim", c.head_dim, "width of a head, a divisor of the inner width",
          Rule{}.at_least(1).at_most(limits::kHead));
  f.field("num_groups", c.num_groups, "groups of heads that share b and c", Rule{}.at_least(1).at_most(limits::kWidth));
  f.field("conv_kernel", c.conv_kernel, "taps of the convolution", Rule{}.at_least(2).at_most(8));
  f.field("norm_eps", c.norm_eps, "added to the mean square of the gated output", Rule{}.above(0));
  f.field("chunk", c.chunk, "tokens computed at once in training",
          Rule{}.at_least(1).at_most(limits::kLength).layout());
}

struct Sizes {
  std::int64_t inner, heads, head_dim, groups, state;

  Sizes(const Config& c, std::int64_t d_model)
      : inner(c.expand * d_model),
        heads(inner / c.head_dim),
        head_dim(c.head_dim),
        groups(c.num_groups),
        state(c.state_dim) {}
  std::int64_t shared() const { return groups * state; }
  std::int64_t conv_channels() const { return inner + 2 * shared(); }
};

std::vector<std::pair<std::string, std::string>> validate(const Config& c, std::int64_t d_model) {
  const std::int64_t inner = c.expand * d_model;
  if (inner % c.head_dim != 0) {
    return {{"head_dim", cat(c.head_dim, " does not divide the inner width ", inner, " (expand * d_model)")}};
  }
  if (inner / c.head_dim % c.num_groups != 0) {
    return {{"num_groups", cat(c.num_groups, " does not divide the ", inner / c.head_dim, " heads")}};
  }
  return {};
}

/// Fills with f(random stream), element by element.
template <class F>
InitFunction elementwise_init(F f) {
  return [f](at::Tensor& weight, const ParamInfo& /*info*/, RandomStream& random) {
    for (std::int64_t i = 0; i < weight.numel(); ++i) weight.flatten()[i].fill_(f(random));
  };
}

ParamSpec scalar_spec(const std::string& name, std::int64_t heads, InitFunction init, const std::string& init_name) {
  return {name, {heads}, Role::kScalar, "", -1, std::move(init), init_name};
}

/// The inverse of softplus at a step size drawn log-uniformly from [0.001, 0.1].
double draw_dt_bias(RandomStream& random) {
  const double dt = std::max(1e-4, std::exp(random.uniform(std::log(0.001), std::log(0.1))));
  return dt + std::log(-std::expm1(-dt));
}

RecurrentParts parts_of(const Config& config, std::int64_t d_model) {
  const Sizes sizes(config, d_model);
  const auto reads = [&](const std::string& part, std::int64_t rows, std::int64_t head_rows) {
    return reads_stream_spec(part + ".weight", part, rows, d_model, head_rows);
  };
  return {
      {reads("z", sizes.inner, sizes.head_dim), reads("x", sizes.inner, sizes.head_dim),
       reads("b", sizes.shared(), sizes.state), reads("c", sizes.shared(), sizes.state), reads("dt", sizes.heads, 1)},
      RecurrentConv{1,
                    3,
                    {conv_weight_spec("conv.weight", "", sizes.conv_channels(), config.conv_kernel)},
                    conv_bias_spec("conv.bias", sizes.conv_channels(), config.conv_kernel)},
      sizes.heads,
      sizes.state,
      sizes.head_dim,
      config.chunk};
}

class Mamba2 final : public RecurrentMixer {
 public:
  Mamba2(const Config& config, const BranchContext& context)
      : RecurrentMixer(context, parts_of(config, context.d_model)), config_(config), sizes_(config, context.d_model) {
    const ParamScope& scope = context.scope;
    const auto log_uniform = [](RandomStream& random) { return std::log(random.uniform(1, 16)); };
    a_log_ = scope.declare(scalar_spec("a_log", sizes_.heads, elementwise_init(log_uniform), "log(uniform(1, 16))"));
    skip_ = scope.declare(scalar_spec("d", sizes_.heads, constant_init(1), "ones"));
    dt_bias_ = scope.declare(scalar_spec("dt_bias", sizes_.heads, elementwise_init(draw_dt_bias),
                                         "inverse_softplus(log_uniform(0.001, 0.1))"));
    gain_ = scope.declare(gain_spec("gated_norm.gain", sizes_.inner));
    declare_output(context, "out");
  }

  std::vector<std::string> own_norms() const override {
    return {cat("gated_norm: rms_norm after the gate, eps ", config_.norm_eps)};
  }

 protected:
  at::Tensor mix(const std::vector<at::Tensor>& parts, const Recur& recur) const override {
    const at::Tensor &z = parts[0], x = by_head(parts[1], sizes_.head_dim);
    const at::Tensor b = by_head(parts[2], sizes_.state), c = by_head(parts[3], sizes_.state);
    const at::Tensor dt = at::softplus(parts[4].to(dt_bias_.compute().scalar_type()) + dt_bias_.compute());
    const at::Tensor y = recur({c, b, ops::scale_heads(x, dt), dt * -at::exp(a_log_.compute()), {}});
    return gated(ops::scale_heads(x, skip_.compute(), y).flatten(2), z);
  }

  ops::Recurrence parallel(const Tokens& t, const ops::RecurrentStates& starts,
                           const RecurrentDocuments& documents) const override {
    return ops::chunk_ssd(t.q, t.k, t.v, t.log_decay, starts, documents.chunks, config_.chunk);
  }

  std::vector<FlopItem> recurrence_flops() const override {
    const auto inner = static_cast<double>(sizes_.inner), shared = static_cast<double>(sizes_.shared());
    const auto chunk = static_cast<double>(config_.chunk), heads = static_cast<double>(sizes_.heads);
    return {{"chunk", 2 * chunk * shared + chunk * heads + 2 * chunk * inner},
            {"state", 4 * static_cast<double>(sizes_.state) * inner}};
  }

 private:
  /// o, z [B, T, I].
  at::Tensor gated(const at::Tensor& o, const at::Tensor& z) const {
    if (sizes_.groups == 1) return ops::gated_rms_norm(o, z, gain_.compute(), config_.norm_eps);
    const auto grouped = [&](const at::Tensor& t) { return t.unflatten(2, {sizes_.groups, -1}); };
    return ops::gated_rms_norm(grouped(o), grouped(z), {}, config_.norm_eps).flatten(2) * gain_.compute();
  }

  Config config_;
  Sizes sizes_;
  Param a_log_, skip_, dt_bias_, gain_;
};

at::Tensor reference(const Config& config, const at::Tensor& x, const ParamMap& params, const at::Tensor& document) {
  const Sizes sizes(config, x.size(2));
  const at::Tensor origin = document.defined() ? ops::document_origin(document, false) : at::Tensor();
  const auto project = [&](const std::string& part) { return at::linear(x, params.at(part + ".weight")); };
  const at::Tensor mixed =
      ops::short_conv_reference(at::cat({project("x"), project("b"), project("c")}, -1), params.at("conv.weight"),
                                params.at("conv.bias"), {}, origin, true);
  const std::vector<at::Tensor> xbc = mixed.split_with_sizes({sizes.inner, sizes.shared(), sizes.shared()}, -1);
  const at::Tensor dt = at::softplus(project("dt") + params.at("dt_bias"));
  const at::Tensor heads = xbc[0].unflatten(2, {sizes.heads, sizes.head_dim});
  const auto grouped = [&](const at::Tensor& t) { return t.unflatten(2, {sizes.groups, sizes.state}); };
  const at::Tensor g = dt * -at::exp(params.at("a_log"));
  const ops::Recurrence out =
      ops::ssd_reference(grouped(xbc[2]), grouped(xbc[1]), heads * dt.unsqueeze(-1), g, {}, origin);
  const at::Tensor o = (out.y + heads * params.at("d").unsqueeze(-1)).flatten(2);
  const auto by_group = [&](const at::Tensor& t) { return t.unflatten(2, {sizes.groups, -1}); };
  const at::Tensor normed = ops::gated_rms_norm_reference(by_group(o), by_group(project("z")), {}, config.norm_eps);
  return at::linear(normed.flatten(2) * params.at("gated_norm.gain"), params.at("out.weight"));
}

}  // namespace mamba2

void register_mamba2(Family<MixerEntry>& family) {
  using namespace mamba2;
  auto& e = add_entry<Config, Mamba2>(
      family, "mamba2", "A state-space recurrence with one decay per head, a short convolution and a gate.",
      "Dao & Gu 2024, arXiv:2405.21060");
  e.validate = with_settings<Config>(validate);
  e.sites = {Site::kHead};
  e.samples = named_samples<Config>({{"plain", {.state_dim = 12, .head_dim = 8, .chunk = 16}},
                                     {"grouped", {.state_dim = 12, .head_dim = 8, .num_groups = 2, .conv_kernel = 3}}});
}

}  // namespace ingot
