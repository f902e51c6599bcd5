#include "support/tolerance.h"

#include <algorithm>

namespace ingot::testing {

using ::testing::AssertionFailure;
using ::testing::AssertionResult;
using ::testing::AssertionSuccess;

AssertionResult close(const at::Tensor& actual, const at::Tensor& expected, Tolerance tolerance,
                      const at::Tensor& terms) {
  const Comparison result = compare(actual, expected, tolerance, terms);
  return (result.agrees ? AssertionSuccess() : AssertionFailure()) << result.message;
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

}  // namespace ingot::testing
