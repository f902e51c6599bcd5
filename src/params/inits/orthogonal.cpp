// Random matrices all of whose singular values are equal.
//
//   W = s Q               Q [out, in]: uniform among matrices with QᵀQ = I (out >= in), else QQᵀ = I
//   s = gain              `scale: none`
//   s = gain sqrt(out / in)  `scale: shape`: inputs whose elements have mean square 1 give outputs that have it too, in
//                         all directions that are kept
//   W ~ N(0, 1 / D)       embedding and head
//
// Q is a product of reflections of Gaussian vectors (Stewart 1980, "The Efficient Generation of Random Orthogonal
// Matrices"), in fp64 and in a fixed order of additions: it is the Q of a Gaussian matrix's QR
// factorisation with a positive diagonal, as PyTorch's orthogonal_ draws it, but independent of libraries and threads.
// Longer shapes count as [out, the rest]. Saxe et al. 2013, "Exact solutions to the nonlinear dynamics of learning in
// deep linear neural networks", arXiv:1312.6120, section 3; the scale of the shape: Large et al. 2024, "Scalable
// Optimization in the Modular Norm", arXiv:2405.14813.

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include "base/random.h"
#include "params/init_parts.h"

namespace ingot {
namespace orthogonal {
namespace {

enum class Scale { kNone, kShape };

struct Config {
  double gain = 1;
  Scale scale = Scale::kNone;
};

void describe(Fields& f, Config& c) {
  f.field("gain", c.gain, "factor of the singular values", Rule{}.above(0));
  f.choice("scale", c.scale, {{"none", Scale::kNone}, {"shape", Scale::kShape}},
           "what else the singular values are: 1 (none), or sqrt(out / in) (shape)");
}

/// q <- (I - 2 v vᵀ / vᵀv) q for the rows from `first` on and the columns from `first` on; v has as many elements.
void reflect(double* q, std::int64_t columns, std::int64_t first, const std::vector<double>& v) {
  double square = 0;
  for (const double x : v) square += x * x;
  std::vector<double> product(static_cast<std::size_t>(columns - first), 0);
  for (std::size_t i = 0; i < v.size(); ++i) {
    const double* row = q + (first + static_cast<std::int64_t>(i)) * columns + first;
    for (std::size_t j = 0; j < product.size(); ++j) product[j] += v[i] * row[j];
  }
  for (std::size_t i = 0; i < v.size(); ++i) {
    double* row = q + (first + static_cast<std::int64_t>(i)) * columns + first;
    const double factor = 2 * v[i] / square;
    for (std::size_t j = 0; j < product.size(); ++j) row[j] -= factor * product[j];
  }
}

/// [rows, columns] with orthonormal columns, rows >= columns.
at::Tensor orthonormal(std::int64_t rows, std::int64_t columns, RandomStream& random) {
  at::Tensor out = at::zeros({rows, columns}, at::kDouble);
  double* q = out.mutable_data_ptr<double>();
  for (std::int64_t k = columns - 1; k >= 0; --k) {
    std::vector<double> v(static_cast<std::size_t>(rows - k));
    double square = 0;
    for (double& x : v) {
      x = random.normal();
      square += x * x;
    }
    const double sign = v[0] < 0 ? -1 : 1;
    v[0] += sign * std::sqrt(square);  // the reflection takes the vector to -sign |v| e_k
    q[k * columns + k] = -sign;
    reflect(q, columns, k, v);
  }
  return out;
}

class Orthogonal final : public Init {
 public:
  explicit Orthogonal(const Config& config) : config_(config) {}
  void fill(at::Tensor& weight, const ParamInfo& info, RandomStream& random) const override {
    if (inits::is_token_table(info)) return inits::Draw(inits::table_std(info)).fill(weight, info, random);
    const auto rows = weight.size(0), columns = weight.numel() / rows;
    const at::Tensor q = orthonormal(std::max(rows, columns), std::min(rows, columns), random) * singular_value(info);
    weight.copy_((rows < columns ? q.t() : q).reshape(weight.sizes()));
  }
  std::string text(const ParamInfo& info) const override {
    if (inits::is_token_table(info)) return inits::Draw(inits::table_std(info)).text();
    return cat("orthogonal x ", format_double(singular_value(info)));
  }
  bool scales_with_width() const override { return true; }

 private:
  double singular_value(const ParamInfo& info) const {
    const auto rows = static_cast<double>(info.shape[0]), columns = static_cast<double>(info.numel()) / rows;
    return config_.gain * (config_.scale == Scale::kShape ? std::sqrt(rows / columns) : 1);
  }

  Config config_;
};

}  // namespace
}  // namespace orthogonal

void register_orthogonal(Family<InitEntry>& family) {
  add_init<orthogonal::Config, orthogonal::Orthogonal>(
      family, "orthogonal", "Random matrices all of whose singular values are equal.",
      "Saxe et al. 2013, arXiv:1312.6120, section 3", {"{gain: 0.5, scale: shape}"});
}

}  // namespace ingot
