#include "device/tensor_memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

#include "device/gpu.h"

namespace ingot {

namespace {

constexpr std::size_t kAlignment = 64;  // of a cache line, and what LibTorch's kernels expect
constexpr std::uint8_t kPriority = 100;

std::atomic<std::int64_t> allocated{0}, peak_allocated{0};

void release(void* data) {
  allocated.fetch_sub(static_cast<std::int64_t>(malloc_usable_size(data)), std::memory_order_relaxed);
  std::free(data);
}

class CountingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    void* data = nullptr;
    if (bytes == 0) return {nullptr, nullptr, &release, c10::kCPU};
    if (posix_memalign(&data, kAlignment, bytes) != 0) throw std::bad_alloc();
    const auto added = static_cast<std::int64_t>(malloc_usable_size(data));
    const auto now = allocated.fetch_add(added, std::memory_order_relaxed) + added;
    auto peak = peak_allocated.load(std::memory_order_relaxed);
    while (now > peak && !peak_allocated.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
    }
    return {data, data, &release, c10::kCPU};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override { std::memcpy(to, from, bytes); }
};

/// Never destroyed: tensors may outlive every static object.
void count_allocations() {
  static auto* const allocator = [] {
    auto* const made = new CountingAllocator;
    c10::SetCPUAllocator(made, kPriority);
    return made;
  }();
  (void)allocator;
}

}  // namespace

TensorMemory tensor_memory(c10::Device device) {
  if (device.is_cuda()) {
    const GpuMemory memory = gpu_memory();
    return {memory.allocated, memory.peak_allocated};
  }
  count_allocations();
  return {allocated.load(), peak_allocated.load()};
}

void reset_tensor_peak(c10::Device device) {
  if (device.is_cuda()) return reset_gpu_peak();
  count_allocations();
  peak_allocated.store(allocated.load());
}

}  // namespace ingot
