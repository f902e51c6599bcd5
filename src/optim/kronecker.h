#pragma once
// What optimizers share that precondition a matrix from both sides with small square matrices.
//
// A parameter W [m, n] has a left factor [m, m] and a right factor [n, n]. A side longer than `max_precond_dim` has
// none; what is no matrix has neither. More than two dimensions count as [first, all others].

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "optim/optimizer.h"

namespace ingot::kronecker {

/// Of which sides a parameter has factors.
struct Sides {
  bool left = false, right = false;
  int count() const { return static_cast<int>(left) + static_cast<int>(right); }
};

enum class Side { kLeft, kRight };

/// Whether a master is, by its role, the whole of a matrix between activations, of an embedding or of a head: not a
/// convolution, a gain, a part.
bool is_matrix(const Master& master);
Sides sides_of(const Master& master, std::int64_t max_precond_dim);
/// Length of a side.
std::int64_t length(const Master& master, Side side);

/// A state [k, k] for the side of length k; empty where it has no factor.
StateSpec factor_state(std::string name, Side side, std::int64_t max_precond_dim,
                       std::function<void(at::Tensor& state, const Master& master)> start = nullptr);
/// A state as large as the master.
StateSpec full_state(std::string name);

/// x [m, n] as a view, or a vector as it is.
at::Tensor as_matrix(const at::Tensor& x);

/// left x right, each where it is defined.
at::Tensor sandwich(const at::Tensor& left, const at::Tensor& x, const at::Tensor& right);

/// Calls `job` for every slot, on all threads, each slot on one: products, sums and factorisations then have the same
/// bits for any number of threads. Rethrows the first error. On a GPU, one after another.
void each_on_one_thread(std::vector<Slot>& slots, const std::function<void(Slot& slot)>& job);

/// Eigenvectors of a symmetric positive semi-definite matrix as columns, of falling eigenvalues. Where eigenvalues are
/// zero up to rounding any basis would do: there it is the one that the unit vectors e1, e2, … give, made orthogonal to
/// the rest, so that rounding and libraries do not choose.
at::Tensor eigenbasis(const at::Tensor& matrix);

/// matrix^(-power) of a symmetric positive semi-definite matrix; eigenvalues below `floor` times the largest count as
/// that, for a floor of 0 those that are zero up to rounding. Of zero it is the identity.
at::Tensor inverse_power(const at::Tensor& matrix, double power, double floor);

/// The Q of a QR decomposition.
at::Tensor orthonormal(const at::Tensor& columns);

/// How Adam's averages move. beta: of gradient and of its square.
struct Moments {
  double beta1 = 0, beta2 = 0, eps = 0;
  /// m ← β1·m + (1 - β1)·g,  v ← β2·v + (1 - β2)·g²;  returns m / (sqrt(v) + ε).
  at::Tensor ratio(at::Tensor m, at::Tensor v, const at::Tensor& g) const;
  /// sqrt(1 - β2^t) / (1 - β1^t): what corrects the bias of that ratio, but for ε.
  double correction(std::int64_t t) const;
};

/// A direction that, with the decay of the same update, decays weights after the step instead of before it:
/// (1 - η·λ)·(w - η·d) = (1 - η·λ)·w - η·((1 - η·λ)·d).
inline double decay_after_step(const Slot& slot) { return 1 - slot.lr * slot.weight_decay; }

/// An update that changes no weight: no direction and no decay.
void leave_weights(Slot& slot);

}  // namespace ingot::kronecker
