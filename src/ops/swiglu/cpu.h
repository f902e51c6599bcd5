#pragma once
// CPU kernels of swiglu.h over contiguous rows [gate | up] of 2n elements. T is float, double or std::uint16_t
// (bfloat16).

#include <cstdint>

namespace ingot::ops::swiglu_cpu {

template <class T>
void forward(const T* x, std::int64_t n, std::int64_t begin, std::int64_t end, T* y);
template <class T>
void backward(const T* x, const T* dy, std::int64_t n, std::int64_t begin, std::int64_t end, T* dx);

}  // namespace ingot::ops::swiglu_cpu
