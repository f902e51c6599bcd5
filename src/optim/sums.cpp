#include "optim/sums.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "device/parallel.h"
#include "optim/kernels/sum_kernels.h"
#include "optim/runs.h"

namespace ingot {
namespace {

constexpr std::int64_t kPiece = kOwnedUnit;  // part of the order of additions

/// W sums of each block of `length` elements out of n: f(begin, count, sums) gives those of a piece. fp64 [blocks, W].
template <std::int64_t W, class F>
at::Tensor sums_of_blocks(std::int64_t n, std::int64_t length, const F& f) {
  const std::int64_t blocks = length == 0 ? 0 : n / length, pieces = (length + kPiece - 1) / kPiece;
  const at::Tensor parts = at::empty({blocks, pieces, W}, at::kDouble);
  auto* values = parts.mutable_data_ptr<double>();
  const std::int64_t grain = std::max<std::int64_t>(1, kUpdateGrain / std::max<std::int64_t>(1, length));
  parallel_for(0, blocks * pieces, grain, [&](std::int64_t first, std::int64_t last) {
    for (auto i = first; i < last; ++i) {
      const auto begin = i % pieces * kPiece;
      f(i / pieces * length + begin, std::min(kPiece, length - begin), values + i * W);
    }
  });
  if (pieces == 1) return parts.view({blocks, W});
  const at::Tensor out = at::zeros({blocks, W}, at::kDouble);
  auto* sums = out.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < blocks * pieces; ++i) {
    for (std::int64_t k = 0; k < W; ++k) sums[i / pieces * W + k] += values[i * W + k];
  }
  return out;
}

template <class F>
auto in_type_of(const at::Tensor& x, const F& f) {
  return x.scalar_type() == at::kDouble ? f(double{}) : f(float{});
}

at::Tensor on_device(const Combination& v, std::int64_t length) {
  const at::Tensor value = v.y.defined() ? v.x * v.a + v.y * v.b : v.x * v.a;
  return value.to(at::kDouble).square().view({-1, length}).sum(1);
}

}  // namespace

std::int64_t row_length(const Master& master) {
  return master.shape.size() > 1 ? master.numel / master.shape.front() : master.numel;
}

at::Tensor block_squares(const Combination& v, std::int64_t length) {
  if (!v.x.is_cpu()) return on_device(v, length);
  return in_type_of(v.x,
                    [&](auto zero) {
                      using T = decltype(zero);
                      const T* x = v.x.const_data_ptr<T>();
                      const T* y = v.y.defined() ? v.y.const_data_ptr<T>() : x;
                      const T a = static_cast<T>(v.a), b = static_cast<T>(v.y.defined() ? v.b : 0);
                      return sums_of_blocks<1>(v.x.numel(), length,
                                               [&](std::int64_t begin, std::int64_t n, double* sum) {
                                                 *sum = sum_kernels::squares(a, x + begin, b, y + begin, n);
                                               });
                    })
      .view({-1});
}

double sum_of_squares(const Combination& values) {
  return values.x.numel() == 0 ? 0 : block_squares(values, values.x.numel()).item<double>();
}

at::Tensor block_pair_sums(const at::Tensor& x, const at::Tensor& y, std::int64_t length) {
  if (!x.is_cpu()) {
    const at::Tensor a = x.to(at::kDouble).view({-1, length}), b = y.to(at::kDouble).view({-1, length});
    return at::stack({(a * a).sum(1), (a * b).sum(1), (b * b).sum(1)}, 1);
  }
  return in_type_of(x, [&](auto zero) {
    using T = decltype(zero);
    const T *left = x.const_data_ptr<T>(), *right = y.const_data_ptr<T>();
    return sums_of_blocks<3>(x.numel(), length, [&](std::int64_t begin, std::int64_t n, double* sums) {
      const auto of_piece = sum_kernels::pair(left + begin, right + begin, n);
      sums[0] = of_piece.xx;
      sums[1] = of_piece.xy;
      sums[2] = of_piece.yy;
    });
  });
}

at::Tensor column_squares(double a, const at::Tensor& x) {
  if (!x.is_cpu()) return (x * a).to(at::kDouble).square().sum(0);
  const auto rows = x.size(0), columns = x.size(1);
  const at::Tensor out = at::zeros({columns}, at::kDouble);
  auto* sums = out.mutable_data_ptr<double>();
  const std::int64_t grain = std::max<std::int64_t>(16, kUpdateGrain / std::max<std::int64_t>(1, rows));
  in_type_of(x, [&](auto zero) {
    using T = decltype(zero);
    const T* values = x.const_data_ptr<T>();
    parallel_for(0, columns, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = 0; row < rows; ++row) {
        sum_kernels::add_squares(sums + begin, static_cast<T>(a), values + row * columns + begin, end - begin);
      }
    });
    return 0;
  });
  return out;
}

double sum_along(const at::Tensor& x, const at::Tensor& y, const at::Tensor& z) {
  if (!x.is_cpu()) return (x.to(at::kDouble) * (y - z).to(at::kDouble)).sum().item<double>();
  return in_type_of(x, [&](auto zero) {
    using T = decltype(zero);
    const T *along = x.const_data_ptr<T>(), *from = y.const_data_ptr<T>(), *to = z.const_data_ptr<T>();
    return sums_of_blocks<1>(x.numel(), x.numel(),
                             [&](std::int64_t begin, std::int64_t n, double* sum) {
                               *sum = sum_kernels::along(along + begin, from + begin, to + begin, n);
                             })
        .template item<double>();
  });
}

double absolute_sum(const at::Tensor& x) {
  if (!x.is_cpu()) return x.to(at::kDouble).abs().sum().item<double>();
  return in_type_of(x, [&](auto zero) {
    using T = decltype(zero);
    const T* values = x.const_data_ptr<T>();
    return sums_of_blocks<1>(x.numel(), x.numel(),
                             [&](std::int64_t begin, std::int64_t n, double* sum) {
                               *sum = sum_kernels::absolute(values + begin, n);
                             })
        .template item<double>();
  });
}

std::vector<double> sums_detail::over_group(const std::vector<Slot>& slots, const double* values, std::size_t n,
                                            const UpdateContext& context) {
  std::vector<double> sums(n, 0);
  if (!context.sum_over_ranks) {
    for (std::size_t i = 0; i < slots.size() * n; ++i) sums[i % n] += values[i];
    return sums;
  }
  // Each parameter's values come from one rank, the others add zeros: no sum depends on who owns what.
  at::Tensor all = at::zeros({static_cast<std::int64_t>(context.num_masters * n)}, at::kDouble);
  auto* of_all = all.mutable_data_ptr<double>();
  for (std::size_t i = 0; i < slots.size(); ++i) {
    std::copy_n(values + i * n, n, of_all + slots[i].master->index * n);
  }
  context.sum_over_ranks(all);
  const auto* summed = all.const_data_ptr<double>();
  for (std::size_t i = 0; i < context.num_masters * n; ++i) sums[i % n] += summed[i];
  return sums;
}

}  // namespace ingot
