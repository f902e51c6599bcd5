#include "optim/matrix/polar.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/mm.h>

#include <array>
#include <limits>
#include <vector>

#include "base/text.h"
#include "config/units.h"
#include "device/matmul.h"
#include "optim/matrix/norms.h"
#include "optim/matrix/products.h"

namespace ingot {
namespace {

struct Coefficients {
  double a, b, c;
};

constexpr Coefficients kNewtonSchulz = {3.4445, -4.7750, 2.0315};

/// For singular values in [0.001, 1 / 1.02], as in the authors' package and in nanochat.
constexpr std::array<Coefficients, 5> kPolarExpress = {
    {{8.156554524902461, -22.48329292557795, 15.878769915207462},
     {4.042929935166739, -2.808917465908714, 0.5000178451051316},
     {3.8916678022926607, -2.772484153217685, 0.5060648178503393},
     {3.285753657755655, -2.3681294933425376, 0.46449024233003106},
     {2.3465413258596377, -1.7097828382687081, 0.42323551169305323}}};

/// Columns for each row from which on the Gram form is the cheaper one.
constexpr double kWide = 1.5;

std::vector<Coefficients> coefficients(const PolarConfig& config) {
  const auto steps = static_cast<std::size_t>(config.steps);
  if (config.method == PolarMethod::kNewtonSchulz) return std::vector<Coefficients>(steps, kNewtonSchulz);
  return {kPolarExpress.begin(), kPolarExpress.begin() + config.steps};
}

at::Tensor iterate(at::Tensor x, const std::vector<Coefficients>& steps) {
  for (const auto& [a, b, c] : steps) {
    const at::Tensor gram = symmetric_product(x, x.t());
    x = sum_product(x, symmetric_sum_product(gram, gram, gram, b, c), x, a, 1);
  }
  return x;
}

at::Tensor iterate_gram(const at::Tensor& x, const std::vector<Coefficients>& steps) {
  at::Tensor r = symmetric_product(x, x.t()), q;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto& [a, b, c] = steps[i];
    const at::Tensor z = symmetric_sum_product(r, r, r, b, c);
    if (q.defined()) {
      q = symmetric_sum_product(q, q, z, a, 1);
    } else {
      q = z.clone();
      q.diagonal().add_(a);
    }
    if (i + 1 == steps.size()) break;
    const at::Tensor rz = symmetric_sum_product(r, r, z, a, 1);
    r = symmetric_sum_product(rz, z, rz, a, 1);
  }
  return product(q, x);
}

at::Tensor exact_factor(const at::Tensor& x) {
  const auto [u, s, vt] = at::linalg_svd(x, /*full_matrices=*/false);
  const double roundoff =
      x.scalar_type() == at::kDouble ? std::numeric_limits<double>::epsilon() : std::numeric_limits<float>::epsilon();
  const at::Tensor least = s.max() * (roundoff * static_cast<double>(std::max(x.size(0), x.size(1))));
  return product(u * s.gt(least), vt);
}

bool in_bfloat16(const at::Tensor& x, ProductPrecision precision) {
  if (x.scalar_type() == at::kDouble || precision == ProductPrecision::kFloat32) return false;
  return precision == ProductPrecision::kBfloat16 || x.is_cuda() || multiplies_bfloat16();
}

/// x [m, n] with m <= n.
at::Tensor wide_factor(at::Tensor x, const PolarConfig& config) {
  const double margin = config.method == PolarMethod::kPolarExpress ? config.margin : 1;
  x = x / (frobenius_norm(x) * margin + config.eps);
  const auto dtype = x.scalar_type();
  const bool is_narrow = in_bfloat16(x, config.precision);
  if (is_narrow) x = x.to(at::kBFloat16);
  const bool is_wide = static_cast<double>(x.size(1)) >= kWide * static_cast<double>(x.size(0));
  const auto steps = coefficients(config);
  x = config.gram && is_wide && !is_narrow ? iterate_gram(x, steps) : iterate(x, steps);
  return x.to(dtype);
}

const std::vector<std::pair<std::string, PolarMethod>>& method_names() {
  static const std::vector<std::pair<std::string, PolarMethod>> names = {{"newton_schulz", PolarMethod::kNewtonSchulz},
                                                                         {"polar_express", PolarMethod::kPolarExpress},
                                                                         {"exact", PolarMethod::kExact}};
  return names;
}

const std::vector<std::pair<std::string, ProductPrecision>>& precision_names() {
  static const std::vector<std::pair<std::string, ProductPrecision>> names = {
      {"auto", ProductPrecision::kAuto}, {"fp32", ProductPrecision::kFloat32}, {"bf16", ProductPrecision::kBfloat16}};
  return names;
}

}  // namespace

void describe_polar(Fields& f, PolarConfig& c) {
  f.choice("method", c.method, method_names(), "how a matrix is made orthogonal");
  f.field("steps", c.steps, "steps of the iteration; polar_express has 5 at most", Rule{}.at_least(1).at_most(30));
  f.field("eps", c.eps, "added to the norm by which the matrix is divided first", Rule{}.above(0));
  f.field("margin", c.margin, "polar_express divides by this times the norm, against values above 1 by rounding",
          Rule{}.at_least(1));
  f.choice("precision", c.precision, precision_names(),
           "of the iteration's products; auto: bf16 where the machine has instructions for it, else fp32");
  f.field("gram", c.gram, "in fp32, iterate on the square of the short side alone where the long one is 1.5 times it");
  f.field("equal_rows", c.equal_rows, "give all rows the same norm before the iteration");
  f.field("exact_norm", c.exact_norm, "give the result the Frobenius norm of an orthogonal matrix, sqrt(min(m, n))");
}

SettingsProblems check_polar(const PolarConfig& c) {
  const auto most = static_cast<std::int64_t>(kPolarExpress.size());
  if (c.method != PolarMethod::kPolarExpress || c.steps <= most) return {};
  return {{"steps", cat("polar_express has coefficients for ", most, " steps, got ", c.steps)}};
}

at::Tensor polar_factor(const at::Tensor& x, const PolarConfig& config) {
  at::Tensor given = x;
  if (config.equal_rows) {
    constexpr double kLeast = 1e-6;
    const double rows = static_cast<double>(x.size(0));
    given = x * (frobenius_norm(x) / std::sqrt(rows) / row_norms(x).clamp_min(kLeast));
  }
  at::Tensor out;
  if (config.method == PolarMethod::kExact) {
    out = exact_factor(given);
  } else if (x.size(0) > x.size(1)) {
    out = wide_factor(given.t().contiguous(), config).t();
  } else {
    out = wide_factor(given, config);
  }
  if (config.exact_norm) {
    constexpr double kLeast = 1e-6;
    const double norm = std::sqrt(static_cast<double>(std::min(x.size(0), x.size(1))));
    out = out * (norm / frobenius_norm(out).clamp_min(kLeast));
  }
  return out;
}

}  // namespace ingot
