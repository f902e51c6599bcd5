#pragma once
// The machine under the run: cores, memory, instruction set, threads.

#include <c10/core/Device.h>

#include <cstdint>
#include <string>
#include <vector>

namespace ingot {

/// Cores that this process may use: its affinity mask and the control group's CPU quota, hyper-threads counted once
/// where the topology is known.
int usable_cores();

/// Threads of LibTorch's pool. Results of some sums depend on it, so it is part of a run's layout.
void set_threads(int threads);

/// The CPU's maker as the kernel gives it: "AuthenticAMD", "GenuineIntel"; "" where it gives none.
std::string cpu_vendor();
/// The CPU's name as the kernel gives it.
std::string cpu_name();
/// Features that matter here, in order of strength: "avx2", "avx512f", "avx512_bf16", "amx_bf16"; "neon", "bf16" on
/// ARM.
std::vector<std::string> cpu_features();
bool has_cpu_feature(const std::string& name);
/// What LibTorch's kernels chose: "AVX512", "AVX2", "DEFAULT", …
std::string instruction_set();

struct MemoryUse {
  std::int64_t resident = 0;       // bytes now
  std::int64_t peak_resident = 0;  // bytes at most so far
  std::int64_t available = 0;      // bytes the machine (or control group) can still give
  std::int64_t minor_faults = 0;   // page faults so far that needed no disk
};
MemoryUse memory_use();

/// Keeps freed memory in the process: large activations are then reused instead of being mapped anew each step. Sets
/// malloc for that and LibTorch's allocator of tensors (device/tensor_memory.h). Once, at the start of the program.
void keep_freed_memory();

/// Measured speed of square products in GFLOP/s, best of a few runs of about `milliseconds`.
enum class MatmulType { kFloat32, kBfloat16 };
double measure_matmul_gflops(MatmulType type, int size, int milliseconds, c10::Device device = c10::kCPU);

}  // namespace ingot
