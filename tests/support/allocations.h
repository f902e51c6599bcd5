#pragma once
// Counts what LibTorch's allocators hand out on this thread.

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <cstdint>
#include <memory>

namespace ingot::testing {

/// Counts from construction to destruction: allocations, their bytes, and the most that was held at once.
class Allocations {
 public:
  Allocations() : guard_(c10::DebugInfoKind::PROFILER_STATE, counter_) {}
  std::int64_t count() const { return counter_->count; }
  std::int64_t bytes() const { return counter_->bytes; }
  std::int64_t peak_bytes() const { return counter_->peak; }

 private:
  struct Counter : c10::MemoryReportingInfoBase {
    void reportMemoryUsage(void*, std::int64_t size, std::size_t, std::size_t, c10::Device) override {
      held += size;
      peak = std::max(peak, held);
      if (size > 0) ++count, bytes += size;
    }
    bool memoryProfilingEnabled() const override { return true; }
    std::int64_t count = 0, bytes = 0, held = 0, peak = 0;
  };
  std::shared_ptr<Counter> counter_ = std::make_shared<Counter>();
  c10::DebugInfoGuard guard_;
};

}  // namespace ingot::testing
