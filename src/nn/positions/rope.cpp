// Rotary position embedding on queries and keys.
//
//   For head width K, pair i of K/2 and position t:  angle = t · theta^(-2i/K);
//   (x_i, x_{i+K/2}) is turned by it ("half split", as in LLaMA and GPT-NeoX). Scores then depend on differences of
//   positions only. Su et al. 2021, "RoFormer", arXiv:2104.09864, eq. 34.
//   `ntk` enlarges the base once, for lengths beyond the original one, as in Nemotron-Flash:
//   theta' = theta · (2 · max_length / original_length - 1)^(K / (K - 2)).

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/sin.h>

#include "base/error.h"
#include "base/text.h"
#include "config/fields.h"
#include "config/limits.h"
#include "nn/position.h"
#include "ops/rotary/rotary.h"
#include "registry/add_entry.h"

namespace ingot {
namespace rope {

struct Ntk {
  std::int64_t max_length = 0;
  std::int64_t original_length = 0;
};

void describe(Fields& f, Ntk& c) {
  f.field("max_length", c.max_length, "longest sequence that the model shall handle",
          Rule{}.at_least(1).at_most(limits::kLength).required());
  f.field("original_length", c.original_length, "length for which `theta` was meant",
          Rule{}.at_least(1).at_most(limits::kLength).required());
}

struct Config {
  double theta = 10000;
  std::optional<Ntk> ntk;
};

void describe(Fields& f, Config& c) {
  f.field("theta", c.theta, "base of the frequencies", Rule{}.above(0));
  f.field("ntk", c.ntk, "enlarges the base for a longer context");
}

double base(const Config& config, std::int64_t head_dim) {
  if (!config.ntk) return config.theta;
  const double ratio = static_cast<double>(config.ntk->max_length) / static_cast<double>(config.ntk->original_length);
  const auto width = static_cast<double>(head_dim);
  return config.theta * std::pow(2 * ratio - 1, width / (width - 2));
}

/// [B, T] -> [B, T, K/2] in fp64: an fp32 angle of position 30000 would be off by 1e-3.
at::Tensor angles(double theta, std::int64_t head_dim, const at::Tensor& position) {
  const at::Tensor pair = at::arange(head_dim / 2, position.options().dtype(at::kDouble));
  const at::Tensor frequency = at::pow(theta, pair * (-2.0 / static_cast<double>(head_dim)));
  return position.to(at::kDouble).unsqueeze(-1) * frequency;
}

class Rope final : public Position {
 public:
  Rope(const Config& config, const PositionContext& context)
      : head_dim_(context.head_dim), theta_(base(config, context.head_dim)) {
    if (context.at_embedding)
      throw ConfigError("rope turns queries and keys: it belongs to `position` of an attention mixer");
    if (head_dim_ % 2 != 0) throw ConfigError(cat("rope needs an even head_dim, got ", head_dim_));
    if (config.ntk && (head_dim_ <= 2 || 2 * config.ntk->max_length <= config.ntk->original_length)) {
      throw ConfigError("rope's ntk needs head_dim above 2 and 2 * max_length above original_length");
    }
  }

  at::Tensor rotate(const at::Tensor& x, const SequenceContext& context) const override {
    const at::ScalarType type = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    const std::string key = cat("rope ", theta_, " ", head_dim_, " ", static_cast<int>(type));
    const at::Tensor cos = context.cached(key + " cos", [&] { return angles_of(context).cos().to(type); });
    const at::Tensor sin = context.cached(key + " sin", [&] { return angles_of(context).sin().to(type); });
    return ops::rotate_half(x, cos, sin);
  }

 private:
  at::Tensor angles_of(const SequenceContext& context) const { return angles(theta_, head_dim_, context.position); }

  std::int64_t head_dim_;
  double theta_;
};

at::Tensor reference(const Config& config, const at::Tensor& x, const at::Tensor& position, const ParamMap&) {
  const at::Tensor angle = angles(base(config, x.size(-1)), x.size(-1), position).unsqueeze(2);
  const at::Tensor w = x.to(at::kDouble);
  const std::int64_t half = x.size(-1) / 2;
  const at::Tensor a = w.narrow(-1, 0, half), b = w.narrow(-1, half, half);
  return at::cat({a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()}, -1).to(x.scalar_type());
}

}  // namespace rope

void register_rope(Family<PositionEntry>& family) {
  using namespace rope;
  auto& e =
      add_entry<Config, Rope>(family, "rope", "Turns pairs of query and key entries by angles that grow with position.",
                              "Su et al. 2021, arXiv:2104.09864");
  e.samples = named_samples<Config>({{"plain", {}}, {"ntk", {10000, Ntk{256, 64}}}});
}

}  // namespace ingot
