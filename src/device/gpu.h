#pragma once
// The GPU plugin, libingot_cuda.so beside the program: CUDA kernels and what the program asks of the CUDA runtime. The
// program itself links nothing of CUDA, so that one build runs on machines with and without GPUs.

#include <cstdint>
#include <string>

namespace ingot {

/// Loads the plugin if it lies beside the program (or one folder above, as for tests) and a driver with a GPU is there.
/// Must come before any other call of LibTorch: what LibTorch sets up without its CUDA half stays without it. Takes
/// microseconds where there is no driver. Later calls do nothing.
void load_gpu_plugin();

/// Whether the plugin is loaded and sees a GPU.
bool gpu_available();
/// Why not, for an error message; "" if it is.
std::string gpu_unavailable_reason();

struct GpuInfo {
  std::string name;          // "NVIDIA H200"
  int major = 0, minor = 0;  // compute capability
  int multiprocessors = 0;
  std::int64_t total_bytes = 0;  // of device memory
  std::int64_t free_bytes = 0;   // now, for all processes
  int driver = 0, runtime = 0;   // CUDA versions, 13000 for 13.0
};
/// Of the current device. The functions below need gpu_available().
GpuInfo gpu_info();

/// Bytes that LibTorch's allocator holds in tensors: now and at most since `reset_gpu_peak`.
struct GpuMemory {
  std::int64_t allocated = 0;
  std::int64_t peak_allocated = 0;
  std::int64_t reserved = 0;  // taken from the driver
};
GpuMemory gpu_memory();
void reset_gpu_peak();

/// The stream that LibTorch queues work on, a cudaStream_t.
void* gpu_stream();
/// Waits until everything queued is done; throws what went wrong in it.
void gpu_synchronize();

/// Peak of dense bf16 products in FLOP/s by the vendor's data sheet; 0 for a GPU that is not in the table.
double gpu_peak_flops(const std::string& name);

/// An exported function of the plugin; throws std::logic_error if it has none of that name.
void* gpu_symbol(const char* name);

}  // namespace ingot

/// The plugin's implementation of an extern "C" function that is declared here and defined in a .cu file.
#define INGOT_GPU_FUNCTION(name)                                                                   \
  ([]() {                                                                                          \
    static auto* const function = reinterpret_cast<decltype(&(name))>(::ingot::gpu_symbol(#name)); \
    return function;                                                                               \
  }())
