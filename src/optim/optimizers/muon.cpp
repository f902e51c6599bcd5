// Muon: the polar factor of an average of gradients.
//
//   M = μ·M + (1 - μ)·G                     U = (1 - μ)·G + μ·M with Nesterov's momentum, else M
//   W = (1 - η·λ)·W - η·c(m, n)·polar(U)
//
// W, G, M [m, n]: master, its gradient and state (4 bytes for each fp32 parameter), polar: optim/matrix/polar.h, c:
// factor of the shape (`scale`), η: learning rate, λ: weight decay, which η without c multiplies. For matrices inside
// the stack; embeddings, head, vectors and convolutions are others' (`optim.others`). Averages are kept as (1 - μ)·G
// sums, as in the authors' code; sums without that factor give the same directions but for ε.
// Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/; match_rms: Liu et al. 2025, arXiv:2502.16982.

#include "optim/matrix/matrix_optimizer.h"

namespace ingot::muon {
namespace {

struct MuonConfig {
  double lr = 0.02;
  double weight_decay = 0;
  MomentumConfig momentum;
  ShapeScale scale = ShapeScale::kOriginal;
  Heads heads = Heads::kWhole;
  PolarConfig polar;
};

void describe(Fields& f, MuonConfig& c) {
  describe_rate(f, c.lr, c.weight_decay);
  describe_momentum(f, c.momentum);
  describe_scale(f, c.scale);
  describe_heads(f, c.heads);
  describe_polar(f, c.polar);
}

class Muon final : public MatrixOptimizer {
 public:
  explicit Muon(const MuonConfig& config) : config_(config) {}
  std::vector<StateSpec> state_specs() const override { return {{kMomentumState, nullptr, std::nullopt, nullptr}}; }

 protected:
  at::Tensor direction(Slot& slot, const UpdateContext& context) const override {
    const at::Tensor u = average_gradient(slot.states[0], slot, context, config_.momentum);
    return scaled_polar_factors(u, rows_of_block(*slot.master, config_.heads), config_.polar, config_.scale);
  }

 private:
  const MuonConfig& config_;
};

}  // namespace
}  // namespace ingot::muon

namespace ingot {

void register_muon(Family<OptimizerEntry>& family) {
  using namespace muon;
  auto& entry = add_matrix_optimizer<MuonConfig, Muon>(
      family, "muon", "The polar factor of an average of gradients: all its directions, with equal weight.",
      "Jordan et al. 2024, kellerjordan.github.io/posts/muon",
      [](const MuonConfig& c) { return check_polar(c.polar); });
  entry.update_size_of = with_settings<MuonConfig>([](const MuonConfig& c) { return update_size_of(c.scale); });
  entry.samples = {"{scale: match_rms, heads: split, method: polar_express, equal_rows: true}",
                   "{scale: spectral, method: exact, nesterov: false}", "{gram: false, exact_norm: true}"};
}

}  // namespace ingot
