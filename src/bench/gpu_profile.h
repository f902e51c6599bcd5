#pragma once
// Which kernels a GPU spends its time in, from LibTorch's profiler.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace ingot {

/// All launches of one kernel.
struct KernelTime {
  std::string name;  // short_kernel_name, also "Memcpy …" and "Memset …"
  double seconds = 0;
  std::int64_t calls = 0;
};

struct GpuProfile {
  double seconds = 0;               // from the start of the first kernel to the end of the last
  double busy = 0;                  // of these, seconds with a kernel running
  std::vector<KernelTime> kernels;  // largest first
};

/// Runs `work`, which must wait for the GPU before it returns, and records what ran. With a `trace_path`, everything
/// recorded goes there as a Chrome trace (JSON), for perfetto or chrome://tracing; on machines without a GPU that has
/// the CPU's operations.
GpuProfile profile_gpu(const std::function<void()>& work, const std::string& trace_path = "");

/// "void at::native::(anonymous namespace)::f<float, int>(int, float*)" -> "f<float, int>", at most 72 characters.
std::string short_kernel_name(const std::string& name);

}  // namespace ingot
