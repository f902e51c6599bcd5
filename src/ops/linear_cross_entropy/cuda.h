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
  void* stream;
};
void ingot_cuda_chunk_losses(const IngotCudaLogits& chunk);

/// Then the gradient, times `factor`, of the logits before scaling: into `low` [rows, stride] as bf16, the logits then holding
/// gradient · logit of the scaled ones; `low` null: over the logits.
void ingot_cuda_chunk_gradient(const IngotCudaLogits& chunk, float factor, void* low);
}
