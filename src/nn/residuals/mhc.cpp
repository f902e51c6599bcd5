// Manifold-constrained hyper-connections: n streams H [n, D] for each token, mixed by a doubly stochastic matrix.
//
//   read:  h = Σ_i p_i H_i                                      p = σ(s_p x̄ W_p + c_p) [n]
//   join:  H'_j = Σ_i R_ji H_i + q_j f(h)                       q = 2σ(s_q x̄ W_q + c_q) [n]
//                                                               R = Sinkhorn(exp(s_R x̄ W_R + c_R)) [n, n]
//   x̄ [nD]: all streams of the token over their common root mean square. Sinkhorn divides columns and then rows by
//   their sums, again and again, so that each new stream is a weighted mean of the old ones and their sum is kept but
//   for what the rounds leave. The s start at 0.01, W with Xavier's variance, the c at 0: but for s, R starts as the
//   average, each of its entries 1/n, as in Megatron-LM. With `start: identity` c_R is 0 on the diagonal and -8 beside
//   it, so that R starts within 0.1 % of the identity and every stream keeps what it holds, as in releases that grew
//   out of hyper-connections. Every stream starts as the embedding and the head reads their mean: either start is plain
//   addition but for s.
//   Xie et al. 2025, "mHC: Manifold-Constrained Hyper-Connections", arXiv:2512.24880, section 4.

#include <ATen/TensorOperators.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softmax.h>

#include <cmath>

#include "base/text.h"
#include "config/fields.h"
#include "nn/norm_parts.h"
#include "nn/residual_parts.h"
#include "ops/recompute/recompute.h"

namespace ingot {
namespace mhc {

enum class Start { kAverage, kIdentity };

struct Config {
  std::int64_t streams = 4;
  std::int64_t iterations = 20;
  Start start = Start::kAverage;
};

void describe(Fields& f, Config& c) {
  f.field("streams", c.streams, "number of streams", Rule{}.at_least(1).at_most(64));
  f.field("iterations", c.iterations, "rounds of dividing columns and rows by their sums",
          Rule{}.at_least(1).at_most(1000));
  f.choice(
      "start", c.start, {{"average", Start::kAverage}, {"identity", Start::kIdentity}},
      "how streams are mixed at the start: average, each into all alike as in Megatron-LM; identity: hardly at all");
}

/// exp(z) [..., n, n] with columns and rows divided by their sums in turn, rows last.
at::Tensor sinkhorn(const at::Tensor& z, std::int64_t iterations) {
  at::Tensor m = at::softmax(z, -2);
  for (std::int64_t i = 0; i < iterations; ++i) {
    if (i > 0) m = m / m.sum(-2, true);
    m = m / m.sum(-1, true);
  }
  return m;
}

ParamSpec weight_spec(std::int64_t out, std::int64_t in) {
  ParamSpec spec;
  spec.name = "dynamic.weight";
  spec.shape = {out, in};
  spec.roles = Role::kScalar;
  const double std = std::sqrt(2.0 / static_cast<double>(in + out));
  spec.fixed_init = normal_init(std);
  spec.fixed_init_name = cat("normal(0, ", std, ")");
  return spec;
}

/// Rows as of the weight: n to read, n to write, n² to mix.
ParamSpec mixing_bias_spec(std::int64_t n, Start start) {
  ParamSpec spec = bias_spec("dynamic.bias", 2 * n + n * n);
  if (start == Start::kAverage) return spec;
  constexpr double kApart = -8;
  spec.fixed_init = [n](at::Tensor& bias, const ParamInfo&, RandomStream&) {
    bias.zero_();
    bias.narrow(0, 2 * n, n * n).fill_(kApart).view({n, n}).fill_diagonal_(0);
  };
  spec.fixed_init_name = cat("zeros, ", kApart, " between streams");
  return spec;
}

class Mhc final : public residuals::ManyStreams {
 public:
  Mhc(const Config& config, const ResidualContext& context)
      : ManyStreams(config.streams), iterations_(config.iterations) {
    residuals::refuse_factors(context, "mhc");
    const std::int64_t n = streams_, count = 2 * n + n * n;
    for (int depth = 0; depth < context.num_sublayers; ++depth) {
      const ParamScope scope = context.scope(depth);
      Weights w;
      w.weight = scope.declare(weight_spec(count, n * context.d_model));
      w.size = scope.declare({"size", {3}, Role::kScalar, "", -1, constant_init(0.01), "constant(0.01)"});
      w.bias = scope.declare(mixing_bias_spec(n, config.start));
      weights_.push_back(w);
    }
  }

  at::Tensor read(int depth, const Stream& stream) const override {
    const auto mixed = [this, depth](const std::vector<at::Tensor>& in) {
      const at::Tensor p = at::sigmoid(logits(depth, in[0], kRead, 0, streams_));
      return at::matmul(p.unsqueeze(-2), residuals::wide(in[0])).squeeze(-2).to(in[0].scalar_type());
    };
    return ops::recomputed(mixed, {stream.tensors.front()});
  }

  Stream join(int depth, const Stream& stream, const at::Tensor& branch, const Pass& /*pass*/) const override {
    const auto joined = [this, depth](const std::vector<at::Tensor>& in) {
      const std::int64_t n = streams_;
      const at::Tensor q = 2 * at::sigmoid(logits(depth, in[0], kWrite, n, n));
      const at::Tensor z = logits(depth, in[0], kMix, 2 * n, n * n).unflatten(-1, {n, n});
      const at::Tensor mixed = at::matmul(sinkhorn(z, iterations_), residuals::wide(in[0]));
      return (mixed + q.unsqueeze(-1) * residuals::wide(in[1]).unsqueeze(2)).to(in[0].scalar_type());
    };
    return {{ops::recomputed(joined, {stream.tensors.front(), branch})}};
  }

  at::Tensor end(const Stream& stream) const override { return stream.tensors.front().mean(2); }

 private:
  struct Weights {
    Param weight, size, bias;
  };
  enum Part : std::int64_t { kRead, kWrite, kMix };

  /// s x̄ W + c for `count` rows of W from `first`: [B, T, count].
  at::Tensor logits(int depth, const at::Tensor& h, Part part, std::int64_t first, std::int64_t count) const {
    const Weights& w = weights_.at(static_cast<std::size_t>(depth));
    const at::Tensor rows = residuals::wide(w.weight.compute().narrow(0, first, count));
    const at::Tensor product = at::matmul(residuals::unit_rms(h.flatten(2)), rows.transpose(0, 1));
    return w.size.compute().narrow(0, part, 1) * product + w.bias.compute().narrow(0, first, count);
  }

  std::int64_t iterations_;
  std::vector<Weights> weights_;
};

}  // namespace mhc

void register_mhc(Family<ResidualEntry>& family) {
  add_entry<mhc::Config, mhc::Mhc>(family, "mhc",
                                   "Hyper-connections whose streams are mixed by doubly stochastic matrices.",
                                   "Xie et al. 2025, arXiv:2512.24880")
      .samples = {"{streams: 2, iterations: 5, start: identity}"};
}

}  // namespace ingot
