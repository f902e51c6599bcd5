#pragma once
// Optimizers that look at whole matrices: what they share.

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "optim/matrix/polar.h"
#include "optim/optimizer.h"

namespace ingot {

/// Whether it is a matrix inside the stack whose rows and columns form spaces: no embedding, head, convolution or
/// vector, nothing with one row a head.
bool is_matrix_in_stack(const Master& master);
inline constexpr const char* kMatricesInStack = "matrices inside the stack";

/// Directions are computed one parameter at a time and applied at once, so that none is stored.
class MatrixOptimizer : public Optimizer {
 public:
  Granularity granularity(const Master& /*master*/) const override { return Granularity::kMatrix; }
  bool is_fused() const override { return true; }
  void direct(std::vector<Slot>& slots, const UpdateContext& context) const override;
  void step(std::vector<Slot>& slots, const UpdateContext& context) const override;

 protected:
  /// d of the slot's shape. Moves the states.
  virtual at::Tensor direction(Slot& slot, const UpdateContext& context) const = 0;
};

/// An optimizer O of settings C for matrices inside the stack.
template <class C, class O>
OptimizerEntry& add_matrix_optimizer(Family<OptimizerEntry>& family, std::string name, std::string summary,
                                     std::string paper, SettingsProblems (*validate)(const C& settings) = nullptr) {
  const auto make = [](const C& settings) { return std::make_unique<O>(settings); };
  auto& entry = add_optimizer<C>(family, std::move(name), std::move(summary), std::move(paper), make, validate);
  entry.takes = is_matrix_in_stack;
  entry.takes_what = kMatricesInStack;
  return entry;
}

/// g = s G of a slot.
at::Tensor gradient_of(const Slot& slot, const UpdateContext& context);

struct MomentumConfig {
  double momentum = 0.95;
  bool nesterov = true;
};
void describe_momentum(Fields& f, MomentumConfig& c);
inline constexpr const char* kMomentumState = "momentum";  // [shape of the master]

/// M <- μ M + (1 - μ) g; returns (1 - μ) g + μ M with Nesterov's momentum, else M itself.
at::Tensor average_gradient(at::Tensor& average, const Slot& slot, const UpdateContext& context,
                            const MomentumConfig& config);

/// What an orthogonal matrix [m, n] is multiplied with.
enum class ShapeScale {
  kOriginal,  // sqrt(max(1, m / n))
  kMatchRms,  // 0.2 sqrt(max(m, n)): elements as large as those of Adam's updates
  kSpectral   // sqrt(m / n)
};
double shape_scale(ShapeScale scale, std::int64_t rows, std::int64_t columns);
UpdateSize update_size_of(ShapeScale scale);
void describe_scale(Fields& f, ShapeScale& scale);

/// The keys `lr` and `weight_decay` of every optimizer.
void describe_rate(Fields& f, double& lr, double& weight_decay);

/// Whether rows that are those of heads are a matrix for each head.
enum class Heads { kWhole, kSplit };
void describe_heads(Fields& f, Heads& heads);
/// Rows of each of the matrices that a master consists of: all of them, or one head's.
std::int64_t rows_of_block(const Master& master, Heads heads);

/// Shape scale times polar factor of each of the matrices of `rows` rows that x [k rows, columns] consists of.
at::Tensor scaled_polar_factors(const at::Tensor& x, std::int64_t rows, const PolarConfig& polar, ShapeScale scale);

}  // namespace ingot
