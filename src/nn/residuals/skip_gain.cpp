// NormFormer's residual scale: x_{n+1} = g_n ⊙ x_n + f_n where f_n is an ffn, x_n + f_n where it is a mixer
//
//   g [D] starts at 1. With `mixers` the mixers' skip paths have one too.
//   Shleifer et al. 2021, "NormFormer", arXiv:2110.09456, section 2 ("ResScale").

#include <ATen/TensorOperators.h>

#include "config/fields.h"
#include "nn/linear.h"
#include "nn/residual_parts.h"

namespace ingot {
namespace skip_gain {

struct Config {
  bool mixers = false;
};

void describe(Fields& f, Config& c) {
  f.field("mixers", c.mixers, "whether the skip paths around mixers have a factor too");
}

class SkipGain final : public residuals::ScaledResidual {
 public:
  SkipGain(const Config& config, const ResidualContext& context) : ScaledResidual(context) {
    for (int depth = 0; depth < context.num_sublayers; ++depth) {
      const bool has_gain = config.mixers || context.is_ffn(depth);
      gain_.push_back(has_gain ? context.scope(depth).declare(gain_spec("gain", context.d_model)) : Param());
    }
  }

  int kind_of_work(int depth) const override { return gain(depth) ? 1 : 0; }
  std::string text(int depth) const override { return gain(depth) ? "skip path with a gain that starts at 1" : ""; }

 private:
  const Param& gain(int depth) const { return gain_.at(static_cast<std::size_t>(depth)); }
  at::Tensor scaled(int /*depth*/, const at::Tensor& branch, const Pass& /*pass*/) const override { return branch; }
  at::Tensor skipped(int depth, const at::Tensor& x) const override {
    return gain(depth) ? residuals::wide(x) * gain(depth).compute() : x;
  }

  std::vector<Param> gain_;
};

}  // namespace skip_gain

void register_skip_gain(Family<ResidualEntry>& family) {
  add_entry<skip_gain::Config, skip_gain::SkipGain>(family, "skip_gain",
                                                    "A learned factor for each channel of the skip paths around ffns.",
                                                    "Shleifer et al. 2021, arXiv:2110.09456, section 2")
      .samples = {"{mixers: true}"};
}

}  // namespace ingot
