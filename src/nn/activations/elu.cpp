// ELU: y = x where x > 0, else α (eˣ - 1)
//
//   Clevert, Unterthiner & Hochreiter 2015, "Fast and Accurate Deep Network Learning by Exponential Linear Units",
//   arXiv:1511.07289, eq. 15, with α = 1.

#include <ATen/TensorOperators.h>
#include <ATen/ops/clamp_max.h>
#include <ATen/ops/clamp_min.h>
#include <ATen/ops/elu.h>
#include <ATen/ops/expm1.h>

#include "config/fields.h"
#include "nn/activation.h"
#include "registry/add_entry.h"

namespace ingot {
namespace elu {

struct Config {
  double alpha = 1;
};

void describe(Fields& f, Config& c) {
  f.field("alpha", c.alpha, "what the value goes to for very negative x, with a minus sign", Rule{}.above(0));
}

class Elu final : public Activation {
 public:
  explicit Elu(const Config& config) : alpha_(config.alpha) {}
  at::Tensor forward(const at::Tensor& x) const override { return at::elu(x, alpha_); }

 private:
  double alpha_;
};

at::Tensor reference(const Config& config, const at::Tensor& x) {
  return x.clamp_min(0) + config.alpha * at::expm1(x.clamp_max(0));
}

}  // namespace elu

void register_elu(Family<ActivationEntry>& family) {
  using namespace elu;
  auto& e = add_entry<Config, Elu>(family, "elu", "x where it is positive, else an exponential that levels off.",
                                   "Clevert et al. 2015, arXiv:1511.07289");
  e.samples = named_samples<Config>({{"one", {}}, {"half", {0.5}}});
}

}  // namespace ingot
