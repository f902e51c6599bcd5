#include "device/tensor_memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <new>

#include "device/arena.h"
#include "device/gpu.h"

namespace ingot {

namespace {

// Smaller blocks are many, and malloc is faster with them.
constexpr std::size_t kSmallestBlock = 32 << 10;
constexpr std::uint8_t kPriority = 100;

std::atomic<std::int64_t> allocated{0}, peak_allocated{0};

/// Bytes of address space that the process may still take: the stacks of threads and malloc need some too.
std::size_t room_for_addresses() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return SIZE_MAX;
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const std::size_t taken = pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return limit.rlim_cur - std::min<std::size_t>(taken, limit.rlim_cur);
}

/// Null where AddressSanitizer watches the bounds of malloc's blocks. Never destroyed: tensors may outlive every static
/// object.
Arena* arena() {
#ifdef __SANITIZE_ADDRESS__
  return nullptr;
#else
  // Blocks lie less than this apart even if half of the memory is holes.
  static auto* const made = new Arena(
      std::min(2 * static_cast<std::size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)),
               room_for_addresses() / 2));
  return made;
#endif
}

void release(void* data) {
  std::size_t bytes = 0;
  if (auto* const large = arena(); large != nullptr && large->owns(data)) {
    bytes = large->release(data);
  } else {
    bytes = malloc_usable_size(data);
    std::free(data);
  }
  allocated.fetch_sub(static_cast<std::int64_t>(bytes), std::memory_order_relaxed);
}

/// A block, and in `bytes` what it takes.
void* acquire(std::size_t& bytes) {
  if (auto* const large = arena(); large != nullptr && bytes >= kSmallestBlock) {
    if (void* const data = large->allocate(bytes); data != nullptr) {
      bytes = Arena::block_size(bytes);
      return data;
    }
  }
  void* data = nullptr;
  if (posix_memalign(&data, Arena::kAlignment, bytes) != 0) throw std::bad_alloc();
  bytes = malloc_usable_size(data);
  return data;
}

class CountingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    if (bytes == 0) return {nullptr, nullptr, &release, c10::kCPU};
    void* const data = acquire(bytes);
    const auto added = static_cast<std::int64_t>(bytes);
    const auto now = allocated.fetch_add(added, std::memory_order_relaxed) + added;
    auto peak = peak_allocated.load(std::memory_order_relaxed);
    while (now > peak && !peak_allocated.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
    }
    return {data, data, &release, c10::kCPU};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override { std::memcpy(to, from, bytes); }
};

}  // namespace

void use_tensor_allocator() {
  static auto* const allocator = [] {
    auto* const made = new CountingAllocator;
    c10::SetCPUAllocator(made, kPriority);
    return made;
  }();
  (void)allocator;
}

TensorMemory tensor_memory(c10::Device device) {
  if (device.is_cuda()) {
    const GpuMemory memory = gpu_memory();
    return {memory.allocated, memory.peak_allocated, 0};
  }
  use_tensor_allocator();
  const auto* const large = arena();
  return {allocated.load(), peak_allocated.load(), large == nullptr ? 0 : static_cast<std::int64_t>(large->unused())};
}

void reset_tensor_peak(c10::Device device) {
  if (device.is_cuda()) return reset_gpu_peak();
  use_tensor_allocator();
  peak_allocated.store(allocated.load());
}

}  // namespace ingot
