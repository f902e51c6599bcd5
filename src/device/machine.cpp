#include "device/machine.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/ops/randn.h>
#include <c10/core/GradMode.h>
#include <malloc.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <utility>

#include "base/control_group.h"
#include "device/gpu.h"
#include "device/kernel_files.h"
#include "device/matmul.h"
#include "device/memory_room.h"
#include "device/tensor_memory.h"

namespace ingot {
namespace {

/// The first line of a small kernel file, "" if there is none.
std::string first_line(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

/// The value of `key` in /proc/cpuinfo.
std::string cpuinfo(const std::string& key) {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    const auto colon = line.find(':');
    if (colon == std::string::npos || line.compare(0, key.size(), key) != 0) continue;
    return colon + 2 <= line.size() ? line.substr(colon + 2) : "";
  }
  return "";
}

}  // namespace

int usable_cores() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof(mask), &mask) != 0) return 1;
  std::set<std::pair<std::string, std::string>> cores;
  int cpus = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &mask)) continue;
    ++cpus;
    const auto folder = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    const auto core = first_line(folder + "core_id");
    if (!core.empty()) cores.emplace(first_line(folder + "physical_package_id"), core);
  }
  int count = cores.empty() ? cpus : static_cast<int>(cores.size());
  if (const auto quota = group_cpu_limit()) count = std::min(count, std::max(1, static_cast<int>(*quota)));
  return std::max(1, count);
}

void set_threads(int threads) { at::set_num_threads(threads); }

std::string cpu_vendor() { return cpuinfo("vendor_id"); }

std::string cpu_name() {
  const auto name = cpuinfo("model name");
  return name.empty() ? "unknown" : name;
}

std::vector<std::string> cpu_features() {
  std::istringstream flags(cpuinfo("flags") + " " + cpuinfo("Features"));
  const std::set<std::string> have((std::istream_iterator<std::string>(flags)), {});
  std::vector<std::string> out;
  for (const char* name : {"avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16", "asimd", "sve", "bf16"}) {
    if (have.count(name) != 0) out.emplace_back(name);
  }
  return out;
}

bool has_cpu_feature(const std::string& name) {
  static const auto features = cpu_features();
  return std::find(features.begin(), features.end(), name) != features.end();
}

std::string instruction_set() { return at::get_cpu_capability(); }

MemoryUse memory_use() {
  MemoryUse use;
  use.resident = kernel_bytes("/proc/self/status", "VmRSS:");
  use.peak_resident = kernel_bytes("/proc/self/status", "VmHWM:");
  use.available = memory_room().bytes;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  use.minor_faults = usage.ru_minflt;
  return use;
}

void keep_freed_memory() {
#ifdef M_MMAP_THRESHOLD
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 2000000000);
#endif
  use_tensor_allocator();
}

double measure_matmul_gflops(MatmulType type, int size, int milliseconds, c10::Device device) {
  c10::NoGradGuard no_grad;
  const auto dtype = type == MatmulType::kBfloat16 ? at::kBFloat16 : at::kFloat;
  const auto a = at::randn({size, size}).to(device, dtype);
  const auto b = at::randn({size, size}).to(device, dtype);
  using Clock = std::chrono::steady_clock;
  const auto wait = [&] {
    if (device.is_cuda()) gpu_synchronize();
  };
  const auto multiply = [&] {
    ingot::matmul(a, b);
    wait();
  };
  multiply();
  double best = 1e30;
  const auto end = Clock::now() + std::chrono::milliseconds(milliseconds);
  do {
    const auto start = Clock::now();
    multiply();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  } while (Clock::now() < end);
  return 2.0 * size * size * size / best * 1e-9;
}

}  // namespace ingot
