// Wasserstein distance to the start: value = sum over ranks r of (sorted(W)_r - sorted(W₀)_r)²
//
//   The elements of a parameter, sorted, against those with which the run began: n times the squared 2-Wasserstein
//   distance between their two distributions. Weights may go anywhere as long as their distribution stays; at most
//   l2_init's value. Keeps the n sorted start values and sorts n weights in a step. Matrices by default.
//   Lewandowski et al. 2023, "Directions of Curvature as an Explanation for Loss of Plasticity", arXiv:2312.00246.

#include <ATen/TensorOperators.h>
#include <ATen/ops/sort.h>

#include "params/penalty.h"

namespace ingot {
namespace wasserstein_init {

struct Config {
  PenaltySettings common;
};

void describe(Fields& f, Config& c) { describe_common(f, c.common); }

class WassersteinInit final : public Penalty {
 public:
  explicit WassersteinInit(const Config& config) : Penalty(config.common) {}

  Granularity granularity(const ParamInfo& /*info*/) const override { return Granularity::kMatrix; }
  std::vector<KeptState> states(const ParamInfo& info) const override { return {{"sorted", {info.numel()}}}; }
  void begin(const at::Tensor& weight, const PenaltyContext& c) const override { c.states[0].copy_(sorted(weight)); }
  at::Tensor value(const at::Tensor& weight, const PenaltyContext& c) const override {
    return (sorted(weight) - c.states[0]).square().sum();
  }

 private:
  static at::Tensor sorted(const at::Tensor& weight) {
    // Stable: equal weights get their gradients in one order on every machine.
    return std::get<0>(at::sort(weight.flatten(), /*stable=*/true, /*dim=*/0, /*descending=*/false));
  }
};

}  // namespace wasserstein_init

void register_wasserstein_init(Family<PenaltyEntry>& family) {
  add_penalty<wasserstein_init::Config, wasserstein_init::WassersteinInit>(
      family, "wasserstein_init", "Squared distance of the sorted weights from the sorted ones at the start.",
      "Lewandowski et al. 2023, arXiv:2312.00246");
}

}  // namespace ingot
