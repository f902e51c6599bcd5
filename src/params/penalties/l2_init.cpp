// L2 towards the start: value = |W - W₀|²
//
//   dW = 2 (W - W₀)
//
//   W₀ is the weight with which the run began, kept for every element (as many bytes as the masters). All parameters by
//   default; in place of weight decay, which draws towards 0. Keeps networks that learn for long trainable.
//   Kumar, Marklund & Van Roy 2023, "Maintaining Plasticity in Continual Learning via Regenerative Regularization",
//   arXiv:2308.11958.

#include <ATen/TensorOperators.h>

#include "params/penalty.h"

namespace ingot {
namespace l2_init {

struct Config {
  PenaltySettings common;
};

void describe(Fields& f, Config& c) { describe_common(f, c.common); }

class L2Init final : public Penalty {
 public:
  explicit L2Init(const Config& config) : Penalty(config.common) {}

  bool applies(const ParamInfo& /*info*/) const override { return true; }
  Granularity granularity(const ParamInfo& /*info*/) const override { return Granularity::kElement; }
  std::vector<KeptState> states(const ParamInfo& info) const override { return {{"start", info.shape}}; }
  void begin(const at::Tensor& weight, const PenaltyContext& c) const override { c.states[0].copy_(weight); }
  at::Tensor value(const at::Tensor& weight, const PenaltyContext& c) const override {
    return (weight - c.states[0]).square().sum();
  }
};

}  // namespace l2_init

void register_l2_init(Family<PenaltyEntry>& family) {
  add_penalty<l2_init::Config, l2_init::L2Init>(family, "l2_init",
                                                "Squared distance of the weights from those at the start.",
                                                "Kumar et al. 2023, arXiv:2308.11958");
}

}  // namespace ingot
