#pragma once
// CUDA kernel of chunk.h: losses of a chunk of logits, and their gradient.

#include <cstdint>

extern "C" {

struct IngotCudaLogits {
  float* logits;  // [rows, stride], of which the first `vocab` columns count
  std::int64_t rows, stride, vocab;
  const float* column_scale;    // [vocab] multiplies the logits, or null
  const std::int64_t* targets;  // [rows], -1: no target
  float z_loss;
  float* cross_entropy;  // [rows] out
  float* z;              // [rows] out
  float* log_partition;  // [rows] out, or null
  void* stream;
};
void ingot_cuda_chunk_losses(const IngotCudaLogits& chunk);

/// After that, the gradient, times `factor`, of the logits before scaling: into `low` [rows, stride] as bf16, or, if
/// that is null, over the logits. The sums over rows of gradient · logit, both of scaled logits, are those over the
/// first axis of `moment_parts` [partials, vocab], or not wanted (null).
void ingot_cuda_chunk_gradient(const IngotCudaLogits& chunk, float factor, void* low, float* moment_parts);
std::int64_t ingot_cuda_moment_partials(std::int64_t rows);
}
