#include "device/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <stdexcept>

namespace ingot {

namespace {

constexpr std::size_t kHugePage = std::size_t{2}
                                  << 20;  // 512 page faults less for each, and fewer misses when translating

std::uintptr_t round_up(std::uintptr_t address, std::size_t unit) { return (address + unit - 1) / unit * unit; }

}  // namespace

Arena::Arena(std::size_t capacity) {
  for (std::size_t size = round_up(capacity, kHugePage); size >= kHugePage; size = round_up(size / 2, kHugePage)) {
    void* const start = mmap(nullptr, size + kHugePage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start != MAP_FAILED) {
      begin_ = reinterpret_cast<std::uintptr_t>(start);
      end_ = begin_ + size + kHugePage;
      break;
    }
    if (size == kHugePage) break;
  }
  usable_ = top_ = highest_ = round_up(begin_, kHugePage);
}

Arena::~Arena() {
  if (begin_ != end_) munmap(reinterpret_cast<void*>(begin_), end_ - begin_);
}

void* Arena::allocate(std::size_t bytes) {
  if (bytes > end_ - begin_) return nullptr;
  const std::size_t size = block_size(bytes);
  const std::lock_guard lock(mutex_);
  std::uintptr_t address = top_;
  if (const auto fit = free_by_size_.lower_bound({size, 0}); fit != free_by_size_.end()) {
    const auto block = free_.find(fit->second);
    address = block->first;
    const std::size_t rest = block->second - size;
    erase_free(block);
    if (rest > 0) insert_free(address + size, rest);
  } else {
    if (size > end_ - top_ || !extend(top_ + size)) return nullptr;
    top_ += size;
    highest_ = std::max(highest_, top_);
  }
  used_.emplace(address, size);
  return reinterpret_cast<void*>(address);
}

std::size_t Arena::release(void* block) {
  const std::lock_guard lock(mutex_);
  const auto found = used_.find(reinterpret_cast<std::uintptr_t>(block));
  if (found == used_.end()) throw std::logic_error("Arena: not a block in use");
  std::uintptr_t address = found->first;
  std::size_t size = found->second;
  const std::size_t released = size;
  used_.erase(found);
  const auto next = free_.upper_bound(address);
  if (next != free_.begin()) {
    if (const auto previous = std::prev(next); previous->first + previous->second == address) {
      address = previous->first;
      size += previous->second;
      erase_free(previous);
    }
  }
  if (next != free_.end() && next->first == address + size) {
    size += next->second;
    erase_free(next);
  }
  if (address + size == top_) {
    top_ = address;
  } else {
    insert_free(address, size);
  }
  return released;
}

std::size_t Arena::unused() const {
  const std::lock_guard lock(mutex_);
  return end_ - std::min(std::max(highest_, begin_), end_);
}

std::size_t Arena::extent() const {
  const std::lock_guard lock(mutex_);
  return highest_ - round_up(begin_, kHugePage);
}

void Arena::insert_free(std::uintptr_t address, std::size_t size) {
  free_.emplace(address, size);
  free_by_size_.emplace(size, address);
}

void Arena::erase_free(std::map<std::uintptr_t, std::size_t>::iterator block) {
  free_by_size_.erase({block->second, block->first});
  free_.erase(block);
}

/// Makes the addresses below `new_top` usable.
bool Arena::extend(std::uintptr_t new_top) {
  if (new_top <= usable_) return true;
  const std::uintptr_t target = std::min(round_up(new_top, kHugePage), end_);
  void* const start = reinterpret_cast<void*>(usable_);
  if (mprotect(start, target - usable_, PROT_READ | PROT_WRITE) != 0) return false;
#ifdef MADV_HUGEPAGE
  madvise(start, target - usable_, MADV_HUGEPAGE);  // a wish
#endif
  usable_ = target;
  return true;
}

}  // namespace ingot
