#include "device/numerics.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "base/random.h"
#include "base/text.h"

namespace ingot {
namespace {

double roundoff(at::ScalarType dtype) {
  switch (dtype) {
    case at::kDouble:
      return 0x1p-53;
    case at::kFloat:
      return 0x1p-24;
    case at::kHalf:
      return 0x1p-11;
    case at::kBFloat16:
      return 0x1p-8;
    default:
      throw std::logic_error("tolerances are for floating-point types");
  }
}

/// The type in which a reduction of values of `dtype` is summed.
at::ScalarType accumulator(at::ScalarType dtype) { return dtype == at::kDouble ? at::kDouble : at::kFloat; }

/// A contiguous fp64 copy without history.
at::Tensor as_doubles(const at::Tensor& x) { return x.detach().to(at::kCPU, at::kDouble).contiguous(); }

double root_mean_square(const double* x, std::int64_t n) {
  double sum = 0;
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    if (std::isfinite(x[i])) sum += x[i] * x[i], ++count;
  }
  return count > 0 ? std::sqrt(sum / static_cast<double>(count)) : 0;
}

/// What keeps the two from being compared; "" if nothing does.
std::string mismatch(const at::Tensor& actual, const at::Tensor& expected, const Tolerance& tolerance) {
  if (!actual.defined() || !expected.defined())
    return cat(actual.defined() ? "expected" : "actual", " tensor is undefined");
  if (actual.sizes() != expected.sizes()) return cat("shape is ", actual.sizes(), ", expected ", expected.sizes());
  if (actual.scalar_type() != tolerance.dtype) {
    return cat("dtype is ", actual.scalar_type(), ", expected ", tolerance.dtype);
  }
  if (roundoff(expected.scalar_type()) > roundoff(tolerance.dtype)) {
    return cat("the expected value is only ", expected.scalar_type());
  }
  return "";
}

}  // namespace

std::string index_text(std::int64_t flat, at::IntArrayRef shape) {
  std::vector<std::string> index(shape.size());
  for (std::size_t i = shape.size(); i-- > 0;) {
    index[i] = std::to_string(flat % shape[i]);
    flat /= shape[i];
  }
  return cat("[", join(index, ", "), "]");
}

Tolerance Tolerance::of(at::ScalarType dtype) { return {dtype, 8 * roundoff(dtype)}; }

Tolerance Tolerance::reduction(std::int64_t k) const {
  const double terms = std::sqrt(static_cast<double>(std::max<std::int64_t>(k, 1)));
  return {dtype, relative + 8 * roundoff(accumulator(dtype)) * (terms - 1)};
}

Tolerance Tolerance::chain(std::int64_t n) const { return {dtype, relative * static_cast<double>(n)}; }

Comparison compare(const at::Tensor& actual, const at::Tensor& expected, Tolerance tolerance, const at::Tensor& terms) {
  if (const auto problem = mismatch(actual, expected, tolerance); !problem.empty()) return {false, problem};
  if (terms.defined() && terms.sizes() != expected.sizes()) throw std::logic_error("compare: terms of another shape");
  const at::Tensor a = as_doubles(actual), e = as_doubles(expected), t = as_doubles(terms.defined() ? terms : expected);
  const double* pa = a.const_data_ptr<double>();
  const double* pe = e.const_data_ptr<double>();
  const double* pt = t.const_data_ptr<double>();
  const double scale = root_mean_square(pe, e.numel());
  double worst = 0;
  std::int64_t where = -1;
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    if (std::isinf(pe[i]) && pa[i] == pe[i]) continue;
    if (!std::isfinite(pa[i]) || !std::isfinite(pe[i])) {
      return {false, cat("not finite at ", index_text(i, a.sizes()), ": ", pa[i], ", expected ", pe[i])};
    }
    const double error = std::abs(pa[i] - pe[i]);
    const double bound = tolerance.relative * std::max({std::abs(pe[i]), std::abs(pt[i]), scale});
    const double ratio = error == 0 ? 0 : error / bound;
    if (ratio > worst) worst = ratio, where = i;
  }
  if (worst <= 1) return {true, cat("worst element is at ", worst, " of the tolerance")};
  return {false, cat("worst element ", index_text(where, a.sizes()), ": ", pa[where], ", expected ", pe[where], " (",
                     worst, " times the tolerance ", tolerance.relative, " of scale ", scale, ")")};
}

double relative_error(const at::Tensor& actual, const at::Tensor& expected) {
  const at::Tensor a = as_doubles(actual), e = as_doubles(expected);
  if (a.sizes() != e.sizes()) throw std::logic_error("relative_error: shapes differ");
  const double* pa = a.const_data_ptr<double>();
  const double* pe = e.const_data_ptr<double>();
  double error = 0, norm = 0;
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    error += (pa[i] - pe[i]) * (pa[i] - pe[i]);
    norm += pe[i] * pe[i];
  }
  return std::sqrt(error / norm);
}

at::Tensor random_normal(at::IntArrayRef shape, std::uint64_t seed, at::ScalarType dtype) {
  at::Tensor out = at::empty(shape, at::kDouble);
  RandomStream random(seed, "test values");
  double* data = out.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < out.numel(); ++i) data[i] = random.normal();
  return out.to(dtype);
}

}  // namespace ingot
