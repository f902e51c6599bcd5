#pragma once
// How much memory tensors take, counted by the allocators themselves.

#include <c10/core/Device.h>

#include <cstdint>

namespace ingot {

/// Bytes in tensors on a device: now, and at most since `reset_tensor_peak`.
struct TensorMemory {
  std::int64_t allocated = 0;
  std::int64_t peak_allocated = 0;
  std::int64_t reserved = 0;  // addresses kept for more tensors on the CPU, without memory behind them
};

/// From the first call on, LibTorch takes the memory of CPU tensors from an allocator of ours: it counts, and large
/// blocks come from an Arena. The program's start calls it.
void use_tensor_allocator();

/// On the CPU calls `use_tensor_allocator`; tensors made before it are not counted, so differences are what counts. On
/// a GPU LibTorch's own count is read.
TensorMemory tensor_memory(c10::Device device);
void reset_tensor_peak(c10::Device device);

}  // namespace ingot
