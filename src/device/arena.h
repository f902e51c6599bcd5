#pragma once
// Memory for large blocks that come and go in the same pattern each step.

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>

namespace ingot {

/// Blocks from one stretch of address space: the smallest free block that fits, lowest address first, split; freed
/// neighbours become one. Small objects lie elsewhere, so that nothing keeps holes between large ones apart: what is
/// taken from the system stays within a few per cent of what is in use at most (malloc, whose blocks of all sizes and
/// lifetimes lie side by side, takes 15-30 % more). Nothing is given back to the system: once a step's pattern has been
/// seen, steps cause no page faults. Thread-safe.
class Arena {
 public:
  static constexpr std::size_t kAlignment = 64;  // of a cache line, and what LibTorch's kernels expect

  /// Reserves addresses, not memory; fewer, down to none, if the system refuses.
  explicit Arena(std::size_t capacity);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// Null if neither a free block nor what is left of the capacity is large enough, or the system has no memory.
  void* allocate(std::size_t bytes);
  /// Of a block of `allocate`. Returns its size.
  std::size_t release(void* block);

  bool owns(const void* address) const {
    const auto a = reinterpret_cast<std::uintptr_t>(address);
    return a >= begin_ && a < end_;
  }
  /// Bytes that a block of `bytes` takes.
  static std::size_t block_size(std::size_t bytes) {
    return bytes == 0 ? kAlignment : (bytes + kAlignment - 1) / kAlignment * kAlignment;
  }
  /// Bytes of addresses that were never used.
  std::size_t unused() const;
  /// Bytes ever taken from the system, up to the page.
  std::size_t extent() const;

 private:
  void insert_free(std::uintptr_t address, std::size_t size);
  void erase_free(std::map<std::uintptr_t, std::size_t>::iterator block);
  bool extend(std::uintptr_t new_top);

  std::uintptr_t begin_ = 0, end_ = 0;  // reserved
  std::uintptr_t usable_ = 0;           // end of what may be written to
  std::uintptr_t top_ = 0;              // end of the last block in use; no free block touches it
  std::uintptr_t highest_ = 0;          // of all `top_` so far
  std::map<std::uintptr_t, std::size_t> free_;
  std::set<std::pair<std::size_t, std::uintptr_t>> free_by_size_;
  std::unordered_map<std::uintptr_t, std::size_t> used_;
  mutable std::mutex mutex_;
};

}  // namespace ingot
