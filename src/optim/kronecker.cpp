#include "optim/kronecker.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_qr.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <limits>
#include <mutex>
#include <tuple>

#include "device/matmul.h"
#include "device/parallel.h"

// Exported by libtorch_cpu on x86-64. Weak: other builds lack it.
extern "C" __attribute__((weak)) int MKL_Set_Num_Threads_Local(int threads);

namespace ingot::kronecker {
namespace {

/// Keeps oneMKL on the calling thread. It chooses algorithms by the number of threads that it might have, also where it
/// may not use them.
class OneThread {
 public:
  OneThread() {
    if (MKL_Set_Num_Threads_Local != nullptr) before_ = MKL_Set_Num_Threads_Local(1);
  }
  ~OneThread() {
    if (MKL_Set_Num_Threads_Local != nullptr) MKL_Set_Num_Threads_Local(before_);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_ = 0;
};

/// Eigenvalues below this times the largest are zero up to rounding.
double rounding_of(const at::Tensor& matrix) {
  const double unit = matrix.scalar_type() == at::kDouble ? std::numeric_limits<double>::epsilon()
                                                          : std::numeric_limits<float>::epsilon();
  return 4 * unit * std::sqrt(static_cast<double>(matrix.size(0)));
}

/// Eigenvalues, rising, and vectors; in fp64 where fp32 does not converge.
std::pair<at::Tensor, at::Tensor> eigen(const at::Tensor& matrix) {
  try {
    auto [values, vectors] = at::linalg_eigh(matrix);
    return {values, vectors};
  } catch (const c10::LinAlgError&) {
    auto [values, vectors] = at::linalg_eigh(matrix.to(at::kDouble));
    return {values.to(matrix.scalar_type()), vectors.to(matrix.scalar_type())};
  }
}

}  // namespace

bool is_matrix(const Master& master) {
  return master.shape.size() >= 2 && master.shape == master.param->shape && master.param->roles.any(matrix_roles());
}

std::int64_t length(const Master& master, Side side) {
  return side == Side::kLeft ? master.shape[0] : master.numel / master.shape[0];
}

Sides sides_of(const Master& master, std::int64_t max_precond_dim) {
  if (!is_matrix(master)) return {};
  return {length(master, Side::kLeft) <= max_precond_dim, length(master, Side::kRight) <= max_precond_dim};
}

StateSpec factor_state(std::string name, Side side, std::int64_t max_precond_dim,
                       std::function<void(at::Tensor& state, const Master& master)> start) {
  const auto shape = [side, max_precond_dim](const Master& master) -> std::vector<std::int64_t> {
    const auto sides = sides_of(master, max_precond_dim);
    if (!(side == Side::kLeft ? sides.left : sides.right)) return {0};
    return {length(master, side), length(master, side)};
  };
  return {std::move(name), shape, std::nullopt, std::move(start)};
}

StateSpec full_state(std::string name) { return {std::move(name), nullptr, std::nullopt, nullptr}; }

at::Tensor as_matrix(const at::Tensor& x) { return x.dim() > 2 ? x.flatten(1) : x; }

at::Tensor sandwich(const at::Tensor& left, const at::Tensor& x, const at::Tensor& right) {
  const at::Tensor half = left.defined() ? ingot::matmul(left, x) : x;
  return right.defined() ? ingot::matmul(half, right) : half;
}

void each_on_one_thread(std::vector<Slot>& slots, const std::function<void(Slot& slot)>& job) {
  if (slots.empty()) return;
  if (!slots.front().master->value.is_cpu()) {
    for (auto& slot : slots) job(slot);
    return;
  }
  std::mutex mutex;
  std::exception_ptr error;
  std::atomic<std::size_t> next = 0;
  parallel_for(0, std::max(2, at::get_num_threads()), 1, [&](std::int64_t begin, std::int64_t end) {
    const OneThread one_thread;
    for (std::int64_t worker = begin; worker < end; ++worker) {
      for (std::size_t i = next++; i < slots.size(); i = next++) {
        try {
          job(slots[i]);
        } catch (...) {
          const std::lock_guard lock(mutex);
          if (!error) error = std::current_exception();
        }
      }
    }
  });
  if (error) std::rethrow_exception(error);
}

at::Tensor eigenbasis(const at::Tensor& matrix) {
  const auto [rising, vectors] = eigen(matrix);
  const at::Tensor basis = vectors.flip({1});
  const auto n = matrix.size(0);
  const double largest = rising[n - 1].item<double>();
  const auto rank = rising.gt(std::max(largest, 0.0) * rounding_of(matrix)).sum().item<std::int64_t>();
  if (rank == n) return basis.contiguous();
  if (rank == 0) return at::eye(n, matrix.options());
  const at::Tensor units = at::eye(n, matrix.options()).narrow(1, 0, n - rank);
  at::Tensor completed = orthonormal(at::cat({basis.narrow(1, 0, rank), units}, 1));
  completed.narrow(1, 0, rank).copy_(basis.narrow(1, 0, rank));
  return completed;
}

at::Tensor inverse_power(const at::Tensor& matrix, double power, double floor) {
  const auto [values, vectors] = eigen(matrix);
  const double largest = values[values.size(0) - 1].item<double>();
  if (!(largest > 0)) return at::eye(matrix.size(0), matrix.options());
  const at::Tensor scale = values.clamp_min((floor > 0 ? floor : rounding_of(matrix)) * largest).pow(-power);
  return ingot::matmul(vectors * scale, vectors.t());
}

at::Tensor orthonormal(const at::Tensor& columns) { return std::get<0>(at::linalg_qr(columns)).contiguous(); }

at::Tensor Moments::ratio(at::Tensor m, at::Tensor v, const at::Tensor& g) const {
  m.mul_(beta1).add_(g, 1 - beta1);
  v.mul_(beta2).addcmul_(g, g, 1 - beta2);
  return m / v.sqrt().add_(eps);
}

double Moments::correction(std::int64_t t) const {
  const double n = static_cast<double>(t);
  return std::sqrt(1 - std::pow(beta2, n)) / (1 - std::pow(beta1, n));
}

void leave_weights(Slot& slot) {
  slot.direction.zero_();
  slot.decay_factor = 0;
}

}  // namespace ingot::kronecker
