// GELU: y = x Φ(x), Φ the standard normal distribution function, Φ(x) = (1 + erf(x / √2)) / 2
//
//   With `tanh`: Φ(x) ≈ (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2, as in GPT-2.
//   Hendrycks & Gimpel 2016, "Gaussian Error Linear Units", arXiv:1606.08415.

#include <ATen/TensorOperators.h>
#include <ATen/ops/erf.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/tanh.h>

#include <numbers>

#include "config/fields.h"
#include "nn/activation.h"
#include "registry/add_entry.h"

namespace ingot {
namespace gelu {

struct Config {
  bool tanh = false;
};

void describe(Fields& f, Config& c) { f.field("tanh", c.tanh, "whether the tanh approximation is used"); }

class Gelu final : public Activation {
 public:
  explicit Gelu(const Config& config) : approximate_(config.tanh ? "tanh" : "none") {}
  at::Tensor forward(const at::Tensor& x) const override { return at::gelu(x, approximate_); }

 private:
  std::string approximate_;
};

/// 2 Φ(x) - 1
at::Tensor odd_part(const Config& config, const at::Tensor& x) {
  if (!config.tanh) return at::erf(x / std::numbers::sqrt2);
  const double c = std::sqrt(2 / std::numbers::pi);
  return at::tanh(c * (x + 0.044715 * x * x * x));
}

at::Tensor reference(const Config& config, const at::Tensor& x) { return x * 0.5 * (1 + odd_part(config, x)); }

/// For negative x the two terms cancel: the kernels of LibTorch keep the absolute error of erf there.
at::Tensor terms(const Config& config, const at::Tensor& x) {
  return (x * 0.5).abs() * (1 + odd_part(config, x).abs());
}

}  // namespace gelu

void register_gelu(Family<ActivationEntry>& family) {
  using namespace gelu;
  auto& e = add_entry<Config, Gelu>(family, "gelu", "x times the normal distribution function of x.",
                                    "Hendrycks & Gimpel 2016, arXiv:1606.08415");
  e.terms = with_settings<Config>(terms);
  e.samples = named_samples<Config>({{"erf", {}}, {"tanh", {true}}});
}

}  // namespace ingot
