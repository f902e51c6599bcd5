// SCALE: gradients normalised by output feature, and momentum in the head alone.
//
//   matrices inside the stack   u = g / max(rms of each row, 1e-8)
//   embedding                   u = g / max(rms of each column, 1e-8)
//   head, tied ones too         M = μ·M + (1 - μ)·g,  u = M / max(rms of each row, 1e-8)
//   w = (1 - η·λ)·w - η·u
//
// w, g [out, in], embedding and head [vocabulary, d_model]. The paper writes matrices as [in, out] and so speaks of
// columns; both times it is one scale for each output feature. Elements of u are about 1. State M of the head alone: 4
// bytes for each of its fp32 parameters. No bias correction. Vectors are others' (`optim.others`), Adam in the paper.
// Glentis et al. 2025, arXiv:2506.16659, and https://github.com/OptimAI-Lab/Minimalist_LLM_Pretraining.

#include <ATen/TensorOperators.h>

#include <cmath>

#include "optim/matrix/matrix_optimizer.h"
#include "optim/matrix/norms.h"

namespace ingot::scale {
namespace {

struct ScaleConfig {
  double lr = 1e-3;
  double weight_decay = 0;
  double momentum = 0.9;
};

void describe(Fields& f, ScaleConfig& c) {
  describe_rate(f, c.lr, c.weight_decay);
  f.field("momentum", c.momentum, "share of the head's average of gradients that is kept", Rule{}.at_least(0).below(1));
}

bool is_head(const Master& master) { return master.param->roles.has(Role::kHead); }
bool is_embedding(const Master& master) { return master.param->roles.has(Role::kEmbedding) && !is_head(master); }

class Scale final : public MatrixOptimizer {
 public:
  explicit Scale(const ScaleConfig& config) : config_(config) {}

  Granularity granularity(const Master& master) const override {
    return is_embedding(master) ? Granularity::kColumn : Granularity::kRow;
  }
  std::vector<StateSpec> state_specs() const override {
    const auto shape = [](const Master& m) { return is_head(m) ? m.shape : std::vector<std::int64_t>{0}; };
    return {{kMomentumState, shape, std::nullopt, nullptr}};
  }

 protected:
  at::Tensor direction(Slot& slot, const UpdateContext& context) const override {
    constexpr double kLeastRms = 1e-8;
    const Master& master = *slot.master;
    at::Tensor u;
    if (is_head(master)) {
      u = average_gradient(slot.states[0], slot, context, {config_.momentum, /*nesterov=*/false});
    } else {
      u = gradient_of(slot, context);
    }
    const std::int64_t axis = is_embedding(master) ? 0 : 1;
    const at::Tensor rms = (axis == 0 ? column_norms(u) : row_norms(u)) / std::sqrt(static_cast<double>(u.size(axis)));
    return u / rms.clamp_min(kLeastRms);
  }

 private:
  const ScaleConfig& config_;
};

}  // namespace
}  // namespace ingot::scale

namespace ingot {

void register_scale(Family<OptimizerEntry>& family) {
  using namespace scale;
  auto& entry = add_matrix_optimizer<ScaleConfig, Scale>(
      family, "scale", "Gradients normalised by output feature, with momentum in the head alone.",
      "Glentis et al. 2025, arXiv:2506.16659");
  entry.takes = [](const Master& m) { return m.shape.size() == 2 && m.param->roles.any(matrix_roles()); };
  entry.takes_what = "matrices, embeddings and heads";
}

}  // namespace ingot
