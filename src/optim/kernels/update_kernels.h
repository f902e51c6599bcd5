#pragma once
// One pass over weights, gradients and state for each update rule, on flat arrays. No LibTorch here: the loops are
// compiled for several instruction sets and give the same bits on each.

#include <cstdint>

namespace ingot::update_kernels {

/// Constants of one AdamW step; the formula stands in optim/optimizers/adamw.cpp.
template <class T>
struct Adam {
  T grad_scale;
  T keep;  // 1 - lr·decay, or 1
  T l2;    // decay added to the gradient, or 0
  T beta1_complement;
  T beta2;
  T beta2_complement;
  T step_size;             // lr / (1 - beta1^t)
  T root_bias_correction;  // 1 / sqrt(1 - beta2^t)
  T eps;
};

void adam(float* w, const float* g, float* m, float* v, std::int64_t n, const Adam<float>& c);
void adam(double* w, const double* g, double* m, double* v, std::int64_t n, const Adam<double>& c);

/// Constants of one SGD step; the formula stands in optim/optimizers/sgd.cpp.
template <class T>
struct Sgd {
  T grad_scale;
  T lr;
  T l2;
  T momentum;
  T gradient_share;  // 1 - dampening, 1 on the first step
  bool nesterov;
};

/// `b` null: without momentum.
void sgd(float* w, const float* g, float* b, std::int64_t n, const Sgd<float>& c);
void sgd(double* w, const double* g, double* b, std::int64_t n, const Sgd<double>& c);

/// Sum of squares in double; the order of additions depends on n only.
double sum_of_squares(const float* x, std::int64_t n);
double sum_of_squares(const double* x, std::int64_t n);

}  // namespace ingot::update_kernels
