#pragma once
// CUDA kernel of scan.h for bf16 products.

#include <cstdint>

extern "C" {

/// As ops::DeltaScanInputs, bf16 unless said. `value` is read and `corrected` written; they may be one memory.
struct IngotCudaDeltaScan {
  std::int64_t chunks, batch, heads, chunk, dk, dv;
  const void* read;    // [N, B, H, C, dk]
  const void* write;   // [N, B, H, C, dk]
  const void* value;   // [N, B, H, C, dv]
  const float* start;  // [B, H, dk, dv]
  const float* keep;   // [N, B] or null
  const float* fresh;  // [B, H, dk, dv] or null
  const void* added;   // [N, B, H, dk, dv] or null
  bool reverse;
  void* entered;    // [N, B, H, dk, dv]
  void* corrected;  // [N, B, H, C, dv]
  float* end;       // [B, H, dk, dv]
  void* stream;
};

/// Whether there is a kernel for these sizes: chunks of 64 rows, dk 64 or 128, dv a multiple of 64.
bool ingot_cuda_delta_scan_fits(std::int64_t chunk, std::int64_t dk, std::int64_t dv);
void ingot_cuda_delta_scan(const IngotCudaDeltaScan& scan);
}
