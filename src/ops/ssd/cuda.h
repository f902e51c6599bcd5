#pragma once
// CUDA kernels of scan.h and decay.h for bf16 products.

#include <cstdint>

extern "C" {

/// As ops::SsdScanInputs; `width` is that of a group's heads together, R dv.
struct IngotCudaSsdScan {
  std::int64_t batch, chunks, groups, heads, dk, width;  // heads H of all groups
  const void* added;                                     // [B, N, G, dk, width] bf16
  const float* start;                                    // [B, G, dk, width]
  const float* keep;                                     // [B, N, H]
  const float* restart;                                  // [B, N, H] or null
  const float* fresh;                                    // [B, G, dk, width] or null
  bool reverse;
  void* entered;  // [B, N, G, dk, width] bf16
  float* end;     // [B, G, dk, width]
  void* stream;
};
/// dv = width G / H must be even.
void ingot_cuda_ssd_scan(const IngotCudaSsdScan& scan);

/// sum [B, G, dk, width] = sum over n of weight [B, N, H] states [B, N, G, dk, width], which are bf16; dv must be even.
struct IngotCudaWeightedStates {
  std::int64_t batch, chunks, groups, heads, dk, width;
  const void* states;
  const float* weight;
  float* sum;
  void* stream;
};
void ingot_cuda_weighted_states(const IngotCudaWeightedStates& states);

/// Whether there is a kernel for chunks of this many rows: 64.
bool ingot_cuda_decay_fits(std::int64_t chunk);
/// `blocks` = B N H matrices of C x C; pairs are shared by the R heads of a group.
struct IngotCudaDecay {
  std::int64_t blocks, per_group, heads;  // R, H
  const float* b;                         // [blocks, C]
  const bool* visible;                    // [B N, C, C] or null: j <= i
  void* stream;
};
/// scores [blocks, C, C] = pairs exp(b_i - b_j), bf16.
void ingot_cuda_decayed_scores(const IngotCudaDecay& decay, const void* pairs, void* scores);
/// dpairs [blocks / R, C, C] bf16, db [blocks, C].
void ingot_cuda_decayed_scores_backward(const IngotCudaDecay& decay, const void* dscores, const void* scores,
                                        void* dpairs, float* db);
}
