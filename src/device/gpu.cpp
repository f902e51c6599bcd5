#include "device/gpu.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string_view>

#include "device/cuda/plugin.h"

namespace ingot {
namespace {

struct Plugin {
  void* handle = nullptr;
  std::string why_not = "the GPU plugin was not loaded";
};

/// Filled once by load_gpu_plugin, before other threads exist.
Plugin& plugin() {
  static Plugin instance;
  return instance;
}

std::filesystem::path find_plugin() {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return {};
  for (const auto& folder : {program.parent_path(), program.parent_path().parent_path()}) {
    const auto path = folder / "libingot_cuda.so";
    if (std::filesystem::exists(path, error)) return path;
  }
  return {};
}

/// Why the plugin cannot be used; "" if it was loaded.
std::string load(Plugin& out) {
  // The driver first: without it, loading half a gigabyte of CUDA libraries would be for nothing.
  if (dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL) == nullptr) return "no NVIDIA driver (libcuda.so.1) is installed";
  const auto path = find_plugin();
  if (path.empty()) return "this build has no GPU plugin (libingot_cuda.so; scripts/setup.sh --cuda builds it)";
  void* const handle = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (handle == nullptr) return std::string("the GPU plugin cannot be loaded: ") + dlerror();
  const auto count = reinterpret_cast<decltype(&ingot_cuda_device_count)>(dlsym(handle, "ingot_cuda_device_count"));
  if (count == nullptr) return path.string() + " is not a GPU plugin of this program";
  if (count() < 1) {
    const char* const visible = std::getenv("CUDA_VISIBLE_DEVICES");
    const std::string which = visible == nullptr ? "" : std::string(" among CUDA_VISIBLE_DEVICES=") + visible;
    return "the NVIDIA driver sees no GPU" + which;
  }
  out.handle = handle;
  return "";
}

struct Peak {
  std::string_view part;  // of the name that the driver gives
  double tera_flops;      // dense bf16
};

// Vendor's data sheets, dense bf16 with fp32 sums. The first entry whose name occurs wins.
constexpr Peak kPeaks[] = {
    {"B200", 2250},        {"GH200", 989},    {"H200", 989},     {"H100 PCIe", 756}, {"H100 NVL", 835},
    {"H100", 989},         {"A100", 312},     {"A800", 312},     {"H800", 989},      {"L40S", 362},
    {"L40", 181},          {"L4", 121},       {"A10G", 70},      {"A10", 125},       {"A40", 150},
    {"RTX 6000 Ada", 364}, {"RTX 5090", 210}, {"RTX 4090", 165}, {"RTX 4080", 98},   {"RTX 3090", 71},
};

}  // namespace

void load_gpu_plugin() {
  static const bool done = [] {
    plugin().why_not = load(plugin());
    return true;
  }();
  static_cast<void>(done);
}

bool gpu_available() { return plugin().handle != nullptr; }
std::string gpu_unavailable_reason() { return plugin().why_not; }

void* gpu_symbol(const char* name) {
  void* const symbol = plugin().handle == nullptr ? nullptr : dlsym(plugin().handle, name);
  if (symbol == nullptr) throw std::logic_error(std::string("the GPU plugin has no function ") + name);
  return symbol;
}

GpuInfo gpu_info() {
  IngotCudaDevice device{};
  INGOT_GPU_FUNCTION(ingot_cuda_device)(&device);
  return {device.name,        device.major,      device.minor,  device.multiprocessors,
          device.total_bytes, device.free_bytes, device.driver, device.runtime};
}

GpuMemory gpu_memory() {
  GpuMemory memory;
  INGOT_GPU_FUNCTION(ingot_cuda_memory)(&memory.allocated, &memory.peak_allocated, &memory.reserved);
  return memory;
}

void reset_gpu_peak() { INGOT_GPU_FUNCTION(ingot_cuda_reset_peak)(); }
void* gpu_stream() { return INGOT_GPU_FUNCTION(ingot_cuda_stream)(); }
void gpu_synchronize() { INGOT_GPU_FUNCTION(ingot_cuda_synchronize)(); }

double gpu_peak_flops(const std::string& name) {
  for (const auto& peak : kPeaks) {
    if (name.find(peak.part) != std::string::npos) return peak.tera_flops * 1e12;
  }
  return 0;
}

}  // namespace ingot
