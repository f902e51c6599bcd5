// NorMuon: Muon whose rows are brought to equal sizes by an average of their squares.
//
//   M = μ·M + (1 - μ)·G,   O = polar(U)                       as in Muon
//   v = β·v + (1 - β)·mean over each row of O²                [m], from 0, without bias correction
//   Ô = O / (sqrt(v) + ε), row by row
//   W = (1 - η·λ)·W - η·c·Ô
//
// c brings Ô to a root mean square of 0.2 with `scale: match_rms` (the paper's algorithm 1), else to the Frobenius norm
// of O, times Muon's factor of the shape (as in the authors' code). State M: 4 bytes for each fp32 parameter, v: 4 for
// each row. With `per: longer_side`, as in nanochat, v has one value for each column of a wide matrix.
// Li et al. 2025, arXiv:2510.05491.

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>

#include <cmath>

#include "optim/matrix/matrix_optimizer.h"
#include "optim/matrix/norms.h"

namespace ingot::normuon {
namespace {

enum class Per { kRow, kLongerSide };

struct NormuonConfig {
  double lr = 0.02;
  double weight_decay = 0;
  MomentumConfig momentum;
  double beta = 0.95;
  Per per = Per::kRow;
  double variance_eps = 1e-8;
  ShapeScale scale = ShapeScale::kOriginal;
  Heads heads = Heads::kWhole;
  PolarConfig polar;
};

void describe(Fields& f, NormuonConfig& c) {
  static const std::vector<std::pair<std::string, Per>> kPerNames = {{"row", Per::kRow},
                                                                     {"longer_side", Per::kLongerSide}};
  describe_rate(f, c.lr, c.weight_decay);
  describe_momentum(f, c.momentum);
  f.field("beta", c.beta, "share of the average of squares that is kept", Rule{}.at_least(0).below(1));
  f.choice("per", c.per, kPerNames, "what has one average of squares: rows, or rows or columns, whichever are more");
  f.field("variance_eps", c.variance_eps, "added to the root of that average", Rule{}.above(0));
  describe_scale(f, c.scale);
  describe_heads(f, c.heads);
  describe_polar(f, c.polar);
}

SettingsProblems validate(const NormuonConfig& c) {
  auto problems = check_polar(c.polar);
  if (c.heads == Heads::kSplit && c.per != Per::kRow)
    problems.emplace_back("per", "longer_side goes with heads: whole alone, expected row");
  return problems;
}

class Normuon final : public MatrixOptimizer {
 public:
  explicit Normuon(const NormuonConfig& config) : config_(config) {}

  std::vector<StateSpec> state_specs() const override {
    const auto shape = [per = config_.per](const Master& m) {
      return std::vector<std::int64_t>{by_column(m.shape[0], m.shape[1], per) ? m.shape[1] : m.shape[0]};
    };
    return {{kMomentumState, nullptr, std::nullopt, nullptr}, {"variance", shape, std::nullopt, nullptr}};
  }

 protected:
  at::Tensor direction(Slot& slot, const UpdateContext& context) const override {
    const at::Tensor u = average_gradient(slot.states[0], slot, context, config_.momentum);
    const auto rows = rows_of_block(*slot.master, config_.heads);
    if (rows == u.size(0)) return equalised(u, slot.states[1]);
    at::Tensor out = at::empty_like(u);
    for (std::int64_t begin = 0; begin < u.size(0); begin += rows) {
      at::Tensor variance = slot.states[1].narrow(0, begin, rows);
      out.narrow(0, begin, rows).copy_(equalised(u.narrow(0, begin, rows), variance));
    }
    return out;
  }

 private:
  static bool by_column(std::int64_t rows, std::int64_t columns, Per per) {
    return per == Per::kLongerSide && columns > rows;
  }

  at::Tensor equalised(const at::Tensor& u, at::Tensor variance) const {
    const auto m = u.size(0), n = u.size(1);
    const at::Tensor o = polar_factor(u, config_.polar);
    const std::int64_t axis = by_column(m, n, config_.per) ? 0 : 1;
    variance.lerp_(o.square().mean(axis), 1 - config_.beta);
    const at::Tensor equal = o / (variance.sqrt() + config_.variance_eps).unsqueeze(axis);
    const at::Tensor norm = frobenius_norm(equal).clamp_min(kLeastNorm);
    if (config_.scale != ShapeScale::kMatchRms)
      return equal * (frobenius_norm(o) / norm * shape_scale(config_.scale, m, n));
    return equal * (kRms * std::sqrt(static_cast<double>(m * n)) / norm);
  }

  static constexpr double kLeastNorm = 1e-8;
  static constexpr double kRms = 0.2;
  const NormuonConfig& config_;
};

}  // namespace
}  // namespace ingot::normuon

namespace ingot {

void register_normuon(Family<OptimizerEntry>& family) {
  using namespace normuon;
  auto& entry = add_matrix_optimizer<NormuonConfig, Normuon>(
      family, "normuon", "Muon with rows brought to equal sizes by an average of their squares.",
      "Li et al. 2025, arXiv:2510.05491", validate);
  entry.update_size_of = with_settings<NormuonConfig>([](const NormuonConfig& c) { return update_size_of(c.scale); });
  entry.samples = {"{scale: match_rms, heads: split}", "{per: longer_side, beta: 0.9, method: polar_express}"};
}

}  // namespace ingot
