#include "device/cuda/plugin.h"

#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <cstring>

namespace {

using c10::CachingDeviceAllocator::DeviceStats;

std::int64_t current(const DeviceStats& stats) { return stats.allocated_bytes[0].current; }

DeviceStats statistics() { return c10::cuda::CUDACachingAllocator::getDeviceStats(c10::cuda::current_device()); }

}  // namespace

extern "C" {

int ingot_cuda_device_count() { return c10::cuda::device_count(); }

void ingot_cuda_device(IngotCudaDevice* out) {
  cudaDeviceProp properties{};
  C10_CUDA_CHECK(cudaGetDeviceProperties(&properties, c10::cuda::current_device()));
  std::strncpy(out->name, properties.name, sizeof out->name - 1);
  out->major = properties.major;
  out->minor = properties.minor;
  out->multiprocessors = properties.multiProcessorCount;
  std::size_t free = 0, total = 0;
  C10_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  out->total_bytes = static_cast<std::int64_t>(total);
  out->free_bytes = static_cast<std::int64_t>(free);
  C10_CUDA_CHECK(cudaDriverGetVersion(&out->driver));
  C10_CUDA_CHECK(cudaRuntimeGetVersion(&out->runtime));
}

void ingot_cuda_memory(std::int64_t* allocated, std::int64_t* peak_allocated, std::int64_t* reserved) {
  const auto stats = statistics();
  *allocated = current(stats);
  *peak_allocated = stats.allocated_bytes[0].peak;
  *reserved = stats.reserved_bytes[0].current;
}

void ingot_cuda_reset_peak() { c10::cuda::CUDACachingAllocator::resetPeakStats(c10::cuda::current_device()); }

void* ingot_cuda_stream() { return c10::cuda::getCurrentCUDAStream().stream(); }

void ingot_cuda_synchronize() { C10_CUDA_CHECK(cudaDeviceSynchronize()); }

}  // extern "C"
