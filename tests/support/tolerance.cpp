#include "support/tolerance.h"

#include <ATen/ops/abs.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>
#include <sstream>
#include <stdexcept>
#include <vector>

namespace ingot::testing {

using ::testing::AssertionFailure;
using ::testing::AssertionResult;
using ::testing::AssertionSuccess;

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

std::string index_text(std::int64_t flat, at::IntArrayRef shape) {
  std::vector<std::int64_t> index(shape.size());
  for (std::size_t i = shape.size(); i-- > 0;) {
    index[i] = flat % shape[i];
    flat /= shape[i];
  }
  std::ostringstream out;
  out << '[';
  for (std::size_t i = 0; i < index.size(); ++i) out << (i ? ", " : "") << index[i];
  out << ']';
  return out.str();
}

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

}  // namespace

Tolerance Tolerance::of(at::ScalarType dtype) { return {dtype, 8 * roundoff(dtype)}; }

Tolerance Tolerance::reduction(std::int64_t k) const {
  const double terms = std::sqrt(static_cast<double>(std::max<std::int64_t>(k, 1)));
  return {dtype, relative + 8 * roundoff(accumulator(dtype)) * (terms - 1)};
}

Tolerance Tolerance::chain(std::int64_t n) const { return {dtype, relative * static_cast<double>(n)}; }

AssertionResult close(const at::Tensor& actual, const at::Tensor& expected, Tolerance tolerance) {
  if (!actual.defined() || !expected.defined()) {
    return AssertionFailure() << (actual.defined() ? "expected" : "actual") << " tensor is undefined";
  }
  if (actual.sizes() != expected.sizes()) {
    return AssertionFailure() << "shape is " << actual.sizes() << ", expected " << expected.sizes();
  }
  if (actual.scalar_type() != tolerance.dtype) {
    return AssertionFailure() << "dtype is " << actual.scalar_type() << ", expected " << tolerance.dtype;
  }
  if (roundoff(expected.scalar_type()) > roundoff(tolerance.dtype)) {
    return AssertionFailure() << "the expected value is only " << expected.scalar_type();
  }
  const at::Tensor a = as_doubles(actual), e = as_doubles(expected);
  const double* pa = a.const_data_ptr<double>();
  const double* pe = e.const_data_ptr<double>();
  const double scale = root_mean_square(pe, e.numel());
  double worst = 0;
  std::int64_t where = -1;
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    if (std::isinf(pe[i]) && pa[i] == pe[i]) continue;
    if (!std::isfinite(pa[i]) || !std::isfinite(pe[i])) {
      return AssertionFailure() << "not finite at " << index_text(i, a.sizes()) << ": " << pa[i] << ", expected "
                                << pe[i];
    }
    const double error = std::abs(pa[i] - pe[i]);
    const double bound = tolerance.relative * std::max(std::abs(pe[i]), scale);
    const double ratio = error == 0 ? 0 : error / bound;
    if (ratio > worst) worst = ratio, where = i;
  }
  if (worst <= 1) return AssertionSuccess() << "worst element is at " << worst << " of the tolerance";
  return AssertionFailure() << "worst element " << index_text(where, a.sizes()) << ": " << pa[where] << ", expected "
                            << pe[where] << " (" << worst << " times the tolerance " << tolerance.relative
                            << " of scale " << scale << ")";
}

AssertionResult same_bits(const at::Tensor& actual, const at::Tensor& expected) {
  if (!actual.defined() || !expected.defined()) return AssertionFailure() << "a tensor is undefined";
  if (actual.sizes() != expected.sizes()) {
    return AssertionFailure() << "shape is " << actual.sizes() << ", expected " << expected.sizes();
  }
  if (actual.scalar_type() != expected.scalar_type()) {
    return AssertionFailure() << "dtype is " << actual.scalar_type() << ", expected " << expected.scalar_type();
  }
  const at::Tensor a = actual.detach().cpu().contiguous(), e = expected.detach().cpu().contiguous();
  const auto* pa = static_cast<const char*>(a.const_data_ptr());
  const auto* pe = static_cast<const char*>(e.const_data_ptr());
  const auto size = a.element_size();
  std::int64_t differing = 0, first = -1;
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    if (std::equal(pa + i * size, pa + (i + 1) * size, pe + i * size)) continue;
    if (differing++ == 0) first = i;
  }
  if (differing == 0) return AssertionSuccess();
  return AssertionFailure() << differing << " of " << a.numel() << " elements differ, first "
                            << index_text(first, a.sizes());
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

}  // namespace ingot::testing
