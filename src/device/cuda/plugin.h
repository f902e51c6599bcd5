#pragma once
// What the GPU plugin exports beside the kernels. C, since the program looks these up by name.

#include <cstdint>

struct IngotCudaDevice {
  char name[256];
  int major, minor, multiprocessors;
  std::int64_t total_bytes, free_bytes;
  int driver, runtime;
};

extern "C" {
int ingot_cuda_device_count();
void ingot_cuda_device(IngotCudaDevice* out);
void ingot_cuda_memory(std::int64_t* allocated, std::int64_t* peak_allocated, std::int64_t* reserved);
void ingot_cuda_reset_peak();
void* ingot_cuda_stream();
void ingot_cuda_synchronize();
}
