#include "ops/linear_cross_entropy/chunk.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "device/gpu.h"
#include "device/parallel.h"
#include "ops/kernel_types.h"
#include "ops/linear_cross_entropy/cuda.h"
#include "ops/linear_cross_entropy/softmax_kernels.h"

namespace ingot::ops {
namespace {

template <class T>
softmax_kernels::Chunk<T> kernel_chunk(const LogitChunk& chunk) {
  return {raw<T>(chunk.logits),
          chunk.logits.stride(0),
          chunk.logits.size(1),
          raw<T>(chunk.column_scale),
          raw<std::int64_t>(chunk.targets),
          chunk.z_loss,
          raw<T>(chunk.cross_entropy),
          raw<T>(chunk.z)};
}

/// f(block, first row, last row) for blocks of kBlockRows rows.
template <class F>
void for_each_block(const LogitChunk& chunk, F f) {
  const std::int64_t rows = chunk.logits.size(0);
  const std::int64_t blocks = (rows + kBlockRows - 1) / kBlockRows;
  const std::int64_t grain = std::max<std::int64_t>(1, kSerialElements / (kBlockRows * chunk.logits.size(1)));
  parallel_for(0, blocks, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = begin; block < end; ++block) {
      f(block, block * kBlockRows, std::min(rows, (block + 1) * kBlockRows));
    }
  });
}

template <class T>
void kernel_losses(const LogitChunk& chunk) {
  const auto c = kernel_chunk<T>(chunk);
  for_each_block(chunk,
                 [&](std::int64_t, std::int64_t begin, std::int64_t end) { softmax_kernels::losses(c, begin, end); });
}

template <class T>
void kernel_gradient(const LogitChunk& chunk, double factor, const at::Tensor& gradient, const at::Tensor& moments) {
  const auto c = kernel_chunk<T>(chunk);
  softmax_kernels::GradientOut out;
  out.factor = factor;
  if (gradient.scalar_type() == at::kBFloat16) out.gradient = raw<std::uint16_t>(gradient);
  const auto vocab = chunk.logits.size(1);
  const auto blocks = (chunk.logits.size(0) + kBlockRows - 1) / kBlockRows;
  at::Tensor partial;  // of `moments`, one row a block: the order of additions is then that of the rows
  if (moments.defined()) partial = at::zeros({blocks, vocab}, moments.options());
  T* const sums = raw<T>(partial);
  for_each_block(chunk, [&](std::int64_t block, std::int64_t begin, std::int64_t end) {
    softmax_kernels::losses_and_gradient(c, out, sums != nullptr ? sums + block * vocab : nullptr, begin, end);
  });
  for (std::int64_t block = 0; sums != nullptr && block < blocks; ++block) at::Tensor(moments).add_(partial[block]);
}

IngotCudaLogits gpu_chunk(const LogitChunk& chunk, const at::Tensor& log_partition) {
  return {raw<float>(chunk.logits),
          chunk.logits.size(0),
          chunk.logits.stride(0),
          chunk.logits.size(1),
          raw<float>(chunk.column_scale),
          raw<std::int64_t>(chunk.targets),
          static_cast<float>(chunk.z_loss),
          raw<float>(chunk.cross_entropy),
          raw<float>(chunk.z),
          raw<float>(log_partition),
          gpu_stream()};
}

void gpu_gradient(const LogitChunk& chunk, double factor, const at::Tensor& gradient, const at::Tensor& moments) {
  const std::int64_t rows = chunk.logits.size(0);
  const at::Tensor log_partition = at::empty({rows}, chunk.logits.options());
  const auto pass = gpu_chunk(chunk, log_partition);
  INGOT_GPU_FUNCTION(ingot_cuda_chunk_losses)(pass);
  void* const low = gradient.scalar_type() == at::kBFloat16 ? gradient.data_ptr() : nullptr;
  at::Tensor parts;
  if (moments.defined()) {
    parts = at::empty({INGOT_GPU_FUNCTION(ingot_cuda_moment_partials)(rows), chunk.logits.size(1)}, moments.options());
  }
  INGOT_GPU_FUNCTION(ingot_cuda_chunk_gradient)(pass, static_cast<float>(factor), low, raw<float>(parts));
  if (parts.defined()) at::Tensor(moments).add_(parts.sum(0));
}

}  // namespace

void chunk_losses(const LogitChunk& chunk) {
  if (has_gpu_kernel(chunk.logits)) {
    INGOT_GPU_FUNCTION(ingot_cuda_chunk_losses)(gpu_chunk(chunk, {}));
  } else if (!has_cpu_kernel(chunk.logits)) {
    chunk_reference(chunk, 1, {}, {});
  } else if (chunk.logits.scalar_type() == at::kDouble) {
    kernel_losses<double>(chunk);
  } else {
    kernel_losses<float>(chunk);
  }
}

void chunk_losses_and_gradient(const LogitChunk& chunk, double factor, const at::Tensor& gradient,
                               const at::Tensor& moments) {
  if (has_gpu_kernel(chunk.logits)) {
    gpu_gradient(chunk, factor, gradient, moments);
  } else if (!has_cpu_kernel(chunk.logits)) {
    chunk_reference(chunk, factor, gradient, moments);
  } else if (chunk.logits.scalar_type() == at::kDouble) {
    kernel_gradient<double>(chunk, factor, gradient, moments);
  } else {
    kernel_gradient<float>(chunk, factor, gradient, moments);
  }
}

}  // namespace ingot::ops
