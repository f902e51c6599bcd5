// Hyper-connections: n streams H [n, D] for each token, read and written with learned weights.
//
//   read:  h = Σ_i a_i H_i                      a [n]
//   join:  H'_j = Σ_i A_ij H_i + b_j f(h)       A [n, n], b [n]
//   Every stream starts as the embedding; the head reads Σ_j H_j.
//
//   static: a, A, b are parameters, at the start a = e_{k mod n} in sub-layer k, A = 1, b = 1: n equal streams of plain
//   addition. dynamic: the parameters plus s tanh(H̄ W), where H̄ is H with each stream over its root mean square, W
//   [D, n + 2] starts at 0 (n columns for A, one each for a and b; stream i gives row i of A), and s, one number each
//   for read (a, A) and write (b), at 0.01.
//   Section 4 scales what branches start with "by a factor of sqrt(n)", so that the sum of the streams deviates as one
//   stream would. Only division does that: the rule brings `weights.output_init_factor: n^-1/2`, unless the config sets
//   another.
//   Zhu et al. 2024, "Hyper-Connections", arXiv:2409.19606, sections 2.1 to 2.3 and 4.

#include <ATen/TensorOperators.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/tanh.h>

#include <cmath>

#include "base/text.h"
#include "config/fields.h"
#include "nn/norm_parts.h"
#include "nn/residual_parts.h"
#include "ops/recompute/recompute.h"

namespace ingot {
namespace hyper_connections {

enum class Kind { kStatic, kDynamic };

struct Config {
  std::int64_t streams = 4;
  Kind kind = Kind::kDynamic;
};

void describe(Fields& f, Config& c) {
  f.field("streams", c.streams, "number of streams", Rule{}.at_least(1).at_most(64));
  f.choice("kind", c.kind, {{"static", Kind::kStatic}, {"dynamic", Kind::kDynamic}},
           "whether the weights are parameters alone or also depend on the token");
}

/// Weights of mixing keep fp32 and are not decayed.
ParamSpec mixing_spec(const std::string& name, std::vector<std::int64_t> shape, const InitFunction& start,
                      const std::string& start_name) {
  ParamSpec spec;
  spec.name = name;
  spec.shape = std::move(shape);
  spec.roles = Role::kScalar;
  spec.fixed_init = start;
  spec.fixed_init_name = start_name;
  return spec;
}

ParamSpec read_spec(std::int64_t streams, int depth) {
  const std::int64_t hot = depth % streams;
  const auto one_hot = [hot](at::Tensor& w, const ParamInfo&, RandomStream&) { w.zero_()[hot].fill_(1); };
  return mixing_spec("read", {streams}, one_hot, cat("one_hot(", hot, ")"));
}

ParamSpec mix_spec(std::int64_t streams) {
  const auto identity = [](at::Tensor& w, const ParamInfo&, RandomStream&) { w.zero_().fill_diagonal_(1); };
  return mixing_spec("mix", {streams, streams}, identity, "identity");
}

class HyperConnections final : public residuals::ManyStreams {
 public:
  HyperConnections(const Config& config, const ResidualContext& context)
      : ManyStreams(config.streams), dynamic_(config.kind == Kind::kDynamic) {
    residuals::refuse_factors(context, "hyper_connections");
    for (int depth = 0; depth < context.num_sublayers; ++depth) {
      const ParamScope scope = context.scope(depth);
      Weights w;
      w.read = scope.declare(read_spec(streams_, depth));
      w.mix = scope.declare(mix_spec(streams_));
      w.write = scope.declare(mixing_spec("write", {streams_}, constant_init(1), "ones"));
      if (dynamic_) {
        w.dynamic =
            scope.declare(mixing_spec("dynamic.weight", {streams_ + 2, context.d_model}, constant_init(0), "zeros"));
        w.read_size = scope.declare(norms::scalar_spec("read_size", 0.01));
        w.write_size = scope.declare(norms::scalar_spec("write_size", 0.01));
      }
      weights_.push_back(w);
    }
  }

  at::Tensor read(int depth, const Stream& stream) const override {
    const auto mixed = [this, depth](const std::vector<at::Tensor>& in) {
      const Weights& w = weights_.at(static_cast<std::size_t>(depth));
      at::Tensor a = w.read.compute();
      if (dynamic_) a = a + w.read_size.compute() * change(w, in[0], streams_, 1).squeeze(-1);
      return weighted_sum(a, in[0]).to(in[0].scalar_type());
    };
    return ops::recomputed(mixed, {stream.tensors.front()});
  }

  Stream join(int depth, const Stream& stream, const at::Tensor& branch, const Pass& /*pass*/) const override {
    const auto joined = [this, depth](const std::vector<at::Tensor>& in) {
      const Weights& w = weights_.at(static_cast<std::size_t>(depth));
      at::Tensor mix = w.mix.compute(), b = w.write.compute();
      if (dynamic_) {
        mix = mix + w.read_size.compute() * change(w, in[0], 0, streams_);
        b = b + w.write_size.compute() * change(w, in[0], streams_ + 1, 1).squeeze(-1);
      }
      const at::Tensor h = residuals::wide(in[0]);
      return (at::matmul(mix.transpose(-1, -2), h) + b.unsqueeze(-1) * residuals::wide(in[1]).unsqueeze(2))
          .to(in[0].scalar_type());
    };
    return {{ops::recomputed(joined, {stream.tensors.front(), branch})}};
  }

  at::Tensor end(const Stream& stream) const override { return stream.tensors.front().sum(2); }

 private:
  struct Weights {
    Param read, mix, write, dynamic, read_size, write_size;
  };

  /// Σ_i a_i H_i: a [n] or [B, T, n], H [B, T, n, D] -> [B, T, D].
  static at::Tensor weighted_sum(const at::Tensor& a, const at::Tensor& h) {
    return at::matmul(a.unsqueeze(-2), residuals::wide(h)).squeeze(-2);
  }
  /// tanh(H̄ W) for `count` columns of W from `first`: [B, T, n, count].
  static at::Tensor change(const Weights& w, const at::Tensor& h, std::int64_t first, std::int64_t count) {
    const at::Tensor columns = residuals::wide(w.dynamic.compute().narrow(0, first, count));
    return at::tanh(at::matmul(residuals::unit_rms(h), columns.transpose(0, 1)));
  }

  bool dynamic_;
  std::vector<Weights> weights_;
};

}  // namespace hyper_connections

void register_hyper_connections(Family<ResidualEntry>& family) {
  using namespace hyper_connections;
  auto& e = add_entry<Config, HyperConnections>(family, "hyper_connections",
                                                "Several streams; learned weights say how branches read and join them.",
                                                "Zhu et al. 2024, arXiv:2409.19606");
  e.output_init_factor =
      with_settings<Config>([](const Config& config) { return 1 / std::sqrt(static_cast<double>(config.streams)); });
  e.samples = {"{streams: 2, kind: static}"};
}

}  // namespace ingot
