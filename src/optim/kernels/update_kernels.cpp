#include "optim/kernels/update_kernels.h"

#include <cmath>

#include "device/simd.h"

namespace ingot::update_kernels {
namespace {

// Constants are taken by value: the compiler then knows that the stores do not change them.
template <class T>
INGOT_INLINE void adam_loop(T* __restrict w, const T* __restrict g, T* __restrict m, T* __restrict v, std::int64_t n,
                            const Adam<T> c) {
  for (std::int64_t i = 0; i < n; ++i) {
    const T grad = g[i] * c.grad_scale + c.l2 * w[i];
    m[i] += (grad - m[i]) * c.beta1_complement;
    v[i] = v[i] * c.beta2 + grad * grad * c.beta2_complement;
    w[i] = w[i] * c.keep - c.step_size * m[i] / (std::sqrt(v[i]) * c.root_bias_correction + c.eps);
  }
}

template <class T>
INGOT_INLINE void plain_sgd_loop(T* __restrict w, const T* __restrict g, std::int64_t n, const Sgd<T> c) {
  for (std::int64_t i = 0; i < n; ++i) w[i] -= c.lr * (g[i] * c.grad_scale + c.l2 * w[i]);
}

template <class T>
INGOT_INLINE void momentum_loop(T* __restrict w, const T* __restrict g, T* __restrict b, std::int64_t n,
                                const Sgd<T> c) {
  for (std::int64_t i = 0; i < n; ++i) {
    const T grad = g[i] * c.grad_scale + c.l2 * w[i];
    b[i] = c.momentum * b[i] + c.gradient_share * grad;
    w[i] -= c.lr * (c.nesterov ? grad + c.momentum * b[i] : b[i]);
  }
}

template <class T>
INGOT_INLINE void sgd_loop(T* w, const T* g, T* b, std::int64_t n, const Sgd<T> c) {
  if (b == nullptr) {
    plain_sgd_loop(w, g, n, c);
  } else {
    momentum_loop(w, g, b, n, c);
  }
}

template <class T>
INGOT_INLINE double sum_of_squares_loop(const T* x, std::int64_t n) {
  double lanes[simd::kLanes] = {};
  std::int64_t i = 0;
  for (; i + simd::kLanes <= n; i += simd::kLanes) {
    for (int lane = 0; lane < simd::kLanes; ++lane) {
      const double value = x[i + lane];
      lanes[lane] += value * value;
    }
  }
  for (int lane = 0; i < n; ++i, ++lane) {
    const double value = x[i];
    lanes[lane] += value * value;
  }
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

}  // namespace

void adam(float* w, const float* g, float* m, float* v, std::int64_t n, const Adam<float>& c) {
  INGOT_MULTIVERSION(adam_loop(w, g, m, v, n, c));
}
void adam(double* w, const double* g, double* m, double* v, std::int64_t n, const Adam<double>& c) {
  INGOT_MULTIVERSION(adam_loop(w, g, m, v, n, c));
}

void sgd(float* w, const float* g, float* b, std::int64_t n, const Sgd<float>& c) {
  INGOT_MULTIVERSION(sgd_loop(w, g, b, n, c));
}
void sgd(double* w, const double* g, double* b, std::int64_t n, const Sgd<double>& c) {
  INGOT_MULTIVERSION(sgd_loop(w, g, b, n, c));
}

double sum_of_squares(const float* x, std::int64_t n) { INGOT_MULTIVERSION(sum_of_squares_loop(x, n)); }
double sum_of_squares(const double* x, std::int64_t n) { INGOT_MULTIVERSION(sum_of_squares_loop(x, n)); }

}  // namespace ingot::update_kernels
