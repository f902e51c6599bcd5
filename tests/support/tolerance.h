#pragma once
// Comparisons of tensors as assertions.

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include "device/numerics.h"

namespace ingot::testing {

using ingot::relative_error;
using ingot::Tolerance;

/// `compare`: a failure names the worst element.
::testing::AssertionResult close(const at::Tensor& actual, const at::Tensor& expected, Tolerance tolerance,
                                 const at::Tensor& terms = {});

/// Shape, dtype and every bit are equal (0 and -0 differ, equal NaN payloads do not).
::testing::AssertionResult same_bits(const at::Tensor& actual, const at::Tensor& expected);

}  // namespace ingot::testing
