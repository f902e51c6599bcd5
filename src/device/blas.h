#pragma once
// The library that multiplies fp32 matrices on CPUs: LibTorch's own (oneMKL on x86-64) or OpenBLAS.

#include <string>

namespace at {
class Tensor;
}

namespace ingot {

enum class Blas { kAuto, kLibTorch, kOpenBlas };

/// Sets the library for the whole process and returns which it is; without a call it is LibTorch's. Automatic: OpenBLAS
/// on AMD's processors without AVX-512, where it was measured to be the faster one, if it is installed. Throws
/// ConfigError if OpenBLAS is asked for and can't be used.
Blas use_blas(Blas wanted);

/// "LibTorch" or "OpenBLAS 0.3.21 (Zen)". Bits of a product depend on it.
std::string blas_name();

bool has_openblas();
/// Whether products go to OpenBLAS.
bool uses_openblas();
/// Why OpenBLAS is not used though automatic choice wants it here; "" otherwise.
std::string openblas_missing();

/// c <- beta c + alpha a b by OpenBLAS; false, with nothing done, if it is LibTorch's turn: it is the library in use,
/// the tensors are not fp32 on a CPU, or the product is too small to gain. a [m, k] and b [k, n], either may be a
/// transposed view; c [m, n] with rows of unit stride.
bool openblas_matmul(const at::Tensor& c, const at::Tensor& a, const at::Tensor& b, float beta, float alpha = 1);

}  // namespace ingot
