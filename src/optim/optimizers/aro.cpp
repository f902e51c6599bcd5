// ARO: a base rule applied in a basis that turns with the gradients.
//
//   M = μ·M + (1 - μ)·G
//   R = Q factor of M·f(Rᵀ M)ᵀ                                from R of the update before, first 1
//   W = (1 - η·λ)·W - η·ρ·R·f(Rᵀ M)
//
// W, G, M [m, n], R [m, m] orthogonal, f: rows and columns of equal norms (SinkGD's rule), rows of norm sqrt(n), or
// signs; each is odd in every row, so the signs of R's columns don't matter. With R = 1 it is the base rule. For the
// first and the last f elements are 1 in the mean square, and ρ = 0.2 makes them as large as Adam's. `side: smaller`
// turns columns where these are fewer, which needs less memory and is another method. Where rows are more than columns
// the gradients leave a part of R open, which rounding decides about unless the side is the smaller one. States M: 4
// bytes for each fp32 parameter, R: 4 m². arXiv:2602.09006, whose own ρ and η are not known here; the rule as in the
// port of microsoft/dion, branch dev/aro.

#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_qr.h>

#include <cmath>

#include "optim/matrix/matrix_optimizer.h"
#include "optim/matrix/norms.h"
#include "optim/matrix/products.h"
#include "optim/matrix/sinkhorn.h"

namespace ingot::aro {
namespace {

enum class Base { kSinkhorn, kRows, kSign };
enum class Side { kRows, kSmaller };

struct AroConfig {
  double lr = 1e-3;
  double weight_decay = 0;
  double momentum = 0.95;
  Base base = Base::kSinkhorn;
  std::int64_t iterations = 5;
  Side side = Side::kRows;
  double rms = 0.2;
};

void describe(Fields& f, AroConfig& c) {
  static const std::vector<std::pair<std::string, Base>> kBases = {
      {"sinkhorn", Base::kSinkhorn}, {"rows", Base::kRows}, {"sign", Base::kSign}};
  static const std::vector<std::pair<std::string, Side>> kSides = {{"rows", Side::kRows}, {"smaller", Side::kSmaller}};
  describe_rate(f, c.lr, c.weight_decay);
  f.field("momentum", c.momentum, "share of the gradients' average that is kept", Rule{}.at_least(0).below(1));
  f.choice("base", c.base, kBases,
           "rule in the turned basis: rows and columns of equal norms, rows of equal norms, signs");
  f.field("iterations", c.iterations, "of sinkhorn", Rule{}.at_least(1).at_most(100));
  f.choice("side", c.side, kSides, "what the basis turns: rows, or rows or columns, whichever are fewer");
  f.field("rms", c.rms, "factor of the directions, whose root mean square is 1 without it", Rule{}.above(0));
}

class Aro final : public MatrixOptimizer {
 public:
  explicit Aro(const AroConfig& config) : config_(config) {}

  std::vector<StateSpec> state_specs() const override {
    const auto shape = [side = config_.side](const Master& m) {
      const auto size = m.shape[turns_columns(m.shape[0], m.shape[1], side) ? 1 : 0];
      return std::vector<std::int64_t>{size, size};
    };
    const auto start = [](at::Tensor& r, const Master& /*m*/) { r.copy_(at::eye(r.size(0), r.options())); };
    return {{kMomentumState, nullptr, std::nullopt, nullptr}, {"rotation", shape, std::nullopt, start}};
  }

 protected:
  at::Tensor direction(Slot& slot, const UpdateContext& context) const override {
    at::Tensor m = average_gradient(slot.states[0], slot, context, {config_.momentum, /*nesterov=*/false});
    const bool columns = turns_columns(m.size(0), m.size(1), config_.side);
    if (columns) m = m.t().contiguous();
    at::Tensor r = slot.states[1];
    r.copy_(std::get<0>(at::linalg_qr(product(m, turned(r, m).t()))));
    const at::Tensor d = product(r, turned(r, m)).mul_(config_.rms);
    return columns ? d.t() : d;
  }

 private:
  static bool turns_columns(std::int64_t rows, std::int64_t columns, Side side) {
    return side == Side::kSmaller && columns < rows;
  }

  /// f(Rᵀ M).
  at::Tensor turned(const at::Tensor& r, const at::Tensor& m) const {
    const at::Tensor x = product(r.t(), m);
    if (config_.base == Base::kSinkhorn) return equal_norms(x, config_.iterations);
    if (config_.base == Base::kSign) return x.sign();
    return x * (std::sqrt(static_cast<double>(x.size(1))) / row_norms(x).clamp_min(kLeastNorm));
  }

  static constexpr double kLeastNorm = 1e-8;
  const AroConfig& config_;
};

}  // namespace
}  // namespace ingot::aro

namespace ingot {

void register_aro(Family<OptimizerEntry>& family) {
  using namespace aro;
  add_matrix_optimizer<AroConfig, Aro>(family, "aro", "A base rule in a basis that turns with the gradients.",
                                       "arXiv:2602.09006")
      .samples = {"{base: rows, side: smaller}", "{base: sign, iterations: 2}"};
}

}  // namespace ingot
