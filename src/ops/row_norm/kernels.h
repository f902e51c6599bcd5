#pragma once
// Frame of the CPU kernels of norms: from one rule for a row, loops over rows in every type and instruction set.

#include <array>
#include <cstdint>
#include <tuple>

#include "device/simd.h"
#include "ops/rows.h"

namespace ingot::ops::row_norm {

/// Numbers of a norm; a rule says what it makes of them.
struct Settings {
  double eps = 0;
  double factor = 1;
  double scale = 1;
  std::int64_t groups = 1;
};

inline constexpr int kMaxParameters = 3;

/// One pass over rows. T, the type of x, is float, double or std::uint16_t (bfloat16 bits); Out, that of y, is T or
/// std::uint16_t; A, that of sums, parameters and statistics, is double for double, else float.
template <class T, class Out, class A>
struct Pass {
  const T* x;
  const T* gate;  // or null
  Rows x_rows, gate_rows;
  std::array<const A*, kMaxParameters> parameters;  // or null
  Settings settings;
  A* statistics;  // [rows, num_statistics]: what forward keeps for backward
  std::int64_t num_statistics;
  Out* y;         // forward; contiguous, as all that follow
  const Out* dy;  // backward
  T* dx;
  T* dgate;
};

/// One row of n elements in a pass.
template <class T, class Out, class A>
struct Row {
  const T* x;
  const T* gate;
  std::int64_t n;
  A* statistics;
  Out* y;
  const Out* dy;
  T* dx;
  T* dgate;
};

/// Gradients of the parameters, which are added to; null where there is no parameter.
template <class A>
using ParameterGradients = std::array<A*, kMaxParameters>;

/// Numbers of type A, per element of a row, that a rule may write to.
inline constexpr std::int64_t kScratch = 3;

/// Groups [begin, end) of rows; scratch holds kScratch · width numbers.
template <class T, class Out, class A>
struct Kernel {
  void (*forward)(const Pass<T, Out, A>& pass, std::int64_t begin, std::int64_t end, A* scratch);
  void (*backward)(const Pass<T, Out, A>& pass, std::int64_t begin, std::int64_t end,
                   const ParameterGradients<A>& gradients, A* scratch);
};

using Kernels = std::tuple<Kernel<float, float, float>, Kernel<double, double, double>,
                           Kernel<std::uint16_t, std::uint16_t, float>, Kernel<float, std::uint16_t, float>>;

/// Calls f(row) for every row of the groups.
template <class T, class Out, class A, class F>
INGOT_INLINE void each_row(const Pass<T, Out, A>& p, std::int64_t begin, std::int64_t end, F f) {
  const std::int64_t n = p.x_rows.width, inner = p.x_rows.inner;
  const auto at = [](auto* base, std::int64_t offset) { return base == nullptr ? nullptr : base + offset; };
  for (std::int64_t group = begin; group < end; ++group) {
    for (std::int64_t i = 0; i < inner; ++i) {
      const std::int64_t row = group * inner + i;
      f(Row<T, Out, A>{p.x + group * p.x_rows.stride + i * n, at(p.gate, group * p.gate_rows.stride + i * n), n,
                       p.statistics + row * p.num_statistics, at(p.y, row * n), at(p.dy, row * n), at(p.dx, row * n),
                       at(p.dgate, row * n)});
    }
  }
}

/// y_i = f(i).
template <class Out, class F>
INGOT_INLINE void store_row(Out* y, std::int64_t n, F f) {
  for (std::int64_t i = 0; i < n; ++i) simd::store(y + i, f(i));
}

/// sum_i += f(i), or nothing without a sum.
template <class A, class F>
INGOT_INLINE void add_row(A* sum, std::int64_t n, F f) {
  if (sum == nullptr) return;
  for (std::int64_t i = 0; i < n; ++i) sum[i] += f(i);
}

template <class Rule, class T, class Out, class A>
void forward(const Pass<T, Out, A>& pass, std::int64_t begin, std::int64_t end, A* scratch) {
  INGOT_MULTIVERSION(each_row(pass, begin, end, [&](const Row<T, Out, A>& row) INGOT_INLINE_LAMBDA {
    Rule::template forward<T, Out, A>(pass, row, scratch);
  }));
}

template <class Rule, class T, class Out, class A>
void backward(const Pass<T, Out, A>& pass, std::int64_t begin, std::int64_t end, const ParameterGradients<A>& gradients,
              A* scratch) {
  INGOT_MULTIVERSION(each_row(pass, begin, end, [&](const Row<T, Out, A>& row) INGOT_INLINE_LAMBDA {
    Rule::template backward<T, Out, A>(pass, row, gradients, scratch);
  }));
}

/// The kernels of `Rule`, which has
///   template <class T, class Out, class A> static void forward(const Pass<T, Out, A>&, const Row<T, Out, A>&, A*
///   scratch) template <class T, class Out, class A> static void backward(the same, const ParameterGradients<A>&, A*
///   scratch)
/// both INGOT_INLINE. To be called in a file *_kernels.cpp.
template <class Rule>
const Kernels& kernels_of() {
  using Bf16 = std::uint16_t;
  static const Kernels all{
      {forward<Rule, float, float, float>, backward<Rule, float, float, float>},
      {forward<Rule, double, double, double>, backward<Rule, double, double, double>},
      {forward<Rule, Bf16, Bf16, float>, backward<Rule, Bf16, Bf16, float>},
      {forward<Rule, float, Bf16, float>, backward<Rule, float, Bf16, float>},
  };
  return all;
}

}  // namespace ingot::ops::row_norm
