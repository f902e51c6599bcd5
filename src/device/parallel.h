#pragma once
// Loops over LibTorch's own CPU threads, without a second OpenMP runtime.

#include <cstdint>
#include <type_traits>

namespace ingot {

namespace parallel_detail {
using RangeFunction = void (*)(std::int64_t begin, std::int64_t end, void* context);
void run(std::int64_t begin, std::int64_t end, std::int64_t grain, RangeFunction function, void* context);
}  // namespace parallel_detail

/// Calls f(b, e) for disjoint ranges that cover [begin, end), each of at least `grain` elements except the last, on as
/// many threads as LibTorch is set to. `f` must not throw.
template <class F>
void parallel_for(std::int64_t begin, std::int64_t end, std::int64_t grain, F&& f) {
  if (end - begin <= grain) {
    if (begin < end) f(begin, end);
    return;
  }
  using Function = std::remove_reference_t<F>;
  parallel_detail::run(
      begin, end, grain,
      [](std::int64_t b, std::int64_t e, void* context) noexcept { (*static_cast<Function*>(context))(b, e); },
      const_cast<void*>(static_cast<const void*>(&f)));
}

}  // namespace ingot
