#pragma once
// Products of 16x8x16 tiles on the tensor cores: D [16, 8] += A [16, 16] B [16, 8], bf16 factors, fp32 sums.
//
// Where lane l of a warp holds its part, with g = l / 4 and t = l % 4: D rows g and g + 8, columns 2t and 2t + 1, in
// the order (g, 2t), (g, 2t+1), (g+8, 2t), (g+8, 2t+1). Factors come from shared memory through ldmatrix.

#include "device/cuda/kernel.cuh"

namespace ingot::cuda {

struct Fragment4 {
  std::uint32_t v[4];
};

__device__ inline std::uint32_t shared_address(const void* p) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(p));
}

/// Four 8x8 tiles; lane l gives the address of row l % 8 of tile l / 8.
__device__ inline Fragment4 load_tiles(const bfloat16* row) {
  Fragment4 f;
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(f.v[0]), "=r"(f.v[1]), "=r"(f.v[2]), "=r"(f.v[3])
               : "r"(shared_address(row)));
  return f;
}

/// The same, each tile transposed.
__device__ inline Fragment4 load_tiles_transposed(const bfloat16* row) {
  Fragment4 f;
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(f.v[0]), "=r"(f.v[1]), "=r"(f.v[2]), "=r"(f.v[3])
               : "r"(shared_address(row)));
  return f;
}

/// A [16, 16] at (row, column) of a row-major matrix in shared memory.
__device__ inline Fragment4 load_a(const bfloat16* base, int stride, int row, int column) {
  const int lane = threadIdx.x % 32;
  return load_tiles(base + (row + lane % 16) * stride + column + lane / 16 * 8);
}

/// A = Mᵀ [16, 16] where M [16, 16] lies at (row, column).
__device__ inline Fragment4 load_a_transposed(const bfloat16* base, int stride, int row, int column) {
  const int lane = threadIdx.x % 32;
  return load_tiles_transposed(base + (row + lane % 8 + lane / 16 * 8) * stride + column + lane / 8 % 2 * 8);
}

/// Two neighbouring B [16, 8] of a row-major [16, 16] at (row, column): v[0..1] the left one, v[2..3] the right one.
__device__ inline Fragment4 load_b_pair(const bfloat16* base, int stride, int row, int column) {
  const int lane = threadIdx.x % 32;
  return load_tiles_transposed(base + (row + lane % 16) * stride + column + lane / 16 * 8);
}

__device__ inline void multiply_add(float (&d)[4], const Fragment4& a, std::uint32_t b0, std::uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a.v[0]), "r"(a.v[1]), "r"(a.v[2]), "r"(a.v[3]), "r"(b0), "r"(b1));
}

/// 16 bytes from global to shared memory without passing through registers.
__device__ inline void copy_async(void* shared, const void* global) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(shared)), "l"(global));
}
__device__ inline void commit_copies() { asm volatile("cp.async.commit_group;"); }
/// Waits until at most `kPending` committed groups are still under way.
template <int kPending>
__device__ inline void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending));
}

}  // namespace ingot::cuda
