#pragma once
// Blocks of rows, keys and what they see, laid out in strips (strips.h).

#include <algorithm>
#include <cstdint>

#include "device/simd.h"
#include "ops/attention/blocks.h"

namespace ingot::ops::attention_cpu {

constexpr std::int64_t rounded_up(std::int64_t n, std::int64_t unit) { return (n + unit - 1) / unit * unit; }

/// The head width in whole strips.
template <class A>
std::int64_t padded_width(const Sizes& sizes) {
  return rounded_up(sizes.width, kWidth<A>);
}

/// One row of a tensor to a row of each strip.
template <class In, class A>
void pack_row(const In* __restrict from, std::int64_t width, A factor, A* __restrict to, std::int64_t strip_stride) {
  constexpr std::int64_t kW = kWidth<A>;
  std::int64_t c = 0;
  for (; c + kW <= width; c += kW, to += strip_stride) {
    for (std::int64_t j = 0; j < kW; ++j) to[j] = simd::wide(from[c + j]) * factor;
  }
  if (c == width) return;
  for (std::int64_t j = 0; j < kW; ++j) to[j] = c + j < width ? simd::wide(from[c + j]) * factor : A(0);
}

/// And back.
template <class In, class A>
void unpack_row(const A* __restrict from, std::int64_t strip_stride, std::int64_t width, A factor, In* __restrict to) {
  constexpr std::int64_t kW = kWidth<A>;
  std::int64_t c = 0;
  for (; c + kW <= width; c += kW, from += strip_stride) {
    for (std::int64_t j = 0; j < kW; ++j) simd::store(to + c + j, from[j] * factor);
  }
  for (std::int64_t j = 0; c + j < width; ++j) simd::store(to + c + j, from[j] * factor);
}

/// Rows of tensors with many heads lie pages apart, which no prefetcher of the hardware crosses.
template <class In>
void prefetch_row(const In* row, std::int64_t width) {
  constexpr std::int64_t kLine = 64 / static_cast<std::int64_t>(sizeof(In));
  for (std::int64_t c = 0; c < width; c += kLine) __builtin_prefetch(row + c);
}
inline constexpr std::int64_t kPrefetchRows = 12;

/// x [rows, columns] in strips `stride` apart, both multiples of kWidth, to its transpose in strips: [columns, rows].
template <class A>
void transpose_strips(const A* __restrict x, std::int64_t stride, std::int64_t rows, std::int64_t columns,
                      A* __restrict to) {
  constexpr std::int64_t kW = kWidth<A>;
  for (std::int64_t s = 0; s < rows / kW; ++s) {
    for (std::int64_t c = 0; c < columns / kW; ++c) {
      const A* from = x + c * stride + s * kW * kW;
      A* out = to + s * columns * kW + c * kW * kW;
      for (std::int64_t k = 0; k < kW; ++k) {
        for (std::int64_t i = 0; i < kW; ++i) out[k * kW + i] = from[i * kW + k];
      }
    }
  }
}

/// Keys [begin, begin + count) of one group, or part of the front keys: never both kinds.
struct KeyBlock {
  std::int64_t begin, count;
};

inline KeyBlock key_block(const Sizes& sizes, std::int64_t index) {
  const std::int64_t fronts = sizes.front_blocks();
  const std::int64_t begin = index < fronts ? index * kBlockKeys : sizes.visible.front + (index - fronts) * kBlockKeys;
  const std::int64_t end = index < fronts ? sizes.visible.front : sizes.keys;
  return {begin, std::min(kBlockKeys, end - begin)};
}

/// A block of rows of a group, and the keys [low, high) that each sees in front and behind.
template <class A>
struct RowBlock {
  std::int64_t b, group, begin, count, padded, strips;
  std::int64_t front_low[kBlockRows], low[kBlockRows], high[kBlockRows];  // high: of the keys behind the front

  RowBlock(const Sizes& sizes, std::int64_t row, std::int64_t in_group, std::int64_t index) : b(row), group(in_group) {
    begin = index * kBlockRows;
    count = std::min(kBlockRows, sizes.rows() - begin);
    padded = rounded_up(count, kWidth<A>);
    strips = padded / kWidth<A>;
    const Visible& visible = sizes.visible;
    const std::int64_t front = visible.front;
    for (std::int64_t l = 0; l < padded; ++l) {
      const std::int64_t query = (begin + std::min(l, count - 1)) / sizes.heads;  // padding sees what the last row sees
      const std::int64_t own = sizes.keys - sizes.queries + query;
      const std::int64_t start = visible.start != nullptr ? visible.start[b * visible.start_row + query] : front;
      high[l] = own + 1;
      low[l] = visible.window > 0 ? std::max(start, own + 1 - visible.window) : start;
      front_low[l] = 0;
      if (visible.window > 0 && !visible.always) {
        front_low[l] = std::clamp<std::int64_t>(own - start + front - visible.window + 1, 0, front);
      }
    }
  }

  /// What each strip sees of the block; false if nothing.
  bool see(const Sizes& sizes, const KeyBlock& keys, StripRange<A>* ranges) const {
    const bool in_front = keys.begin < sizes.visible.front;
    bool any = false;
    for (std::int64_t s = 0; s < strips; ++s) {
      StripRange<A>& range = ranges[s];
      for (std::int64_t j = 0; j < kWidth<A>; ++j) {
        const std::int64_t l = s * kWidth<A> + j;
        const std::int64_t first = in_front ? front_low[l] : low[l];
        const std::int64_t last = in_front ? sizes.visible.front : high[l];
        range.low[j] = static_cast<Index<A>>(std::clamp<std::int64_t>(first - keys.begin, 0, keys.count));
        range.high[j] = static_cast<Index<A>>(std::clamp<std::int64_t>(last - keys.begin, 0, keys.count));
      }
      range.close(keys.count);
      any = any || range.begin < range.end;
    }
    return any;
  }

  /// Rows of x [B, T, heads, K] as strips [padded, K]: times `factor`, rows of padding zero.
  template <class In>
  void pack(const Sizes& sizes, const Heads<const In>& x, A factor, A* to) const {
    const std::int64_t stride = padded * kWidth<A>;
    for (std::int64_t i = 0; i < count; ++i) {
      prefetch_row(at(sizes, x, std::min(i + kPrefetchRows, count - 1)), sizes.width);
      pack_row(at(sizes, x, i), sizes.width, factor, to + i * kWidth<A>, stride);
    }
    for (std::int64_t c = 0; c < padded_width<A>(sizes) / kWidth<A>; ++c) {
      std::fill(to + c * stride + count * kWidth<A>, to + (c + 1) * stride, A(0));
    }
  }

  template <class In>
  In* at(const Sizes& sizes, const Heads<In>& x, std::int64_t i) const {
    const std::int64_t r = begin + i;
    return x.at(b, r / sizes.heads, group * sizes.heads + r % sizes.heads);
  }
};

/// Keys or values of a block as strips [count, K].
template <class In, class A>
void pack_keys(const Sizes& sizes, const Heads<const In>& x, std::int64_t b, std::int64_t group, const KeyBlock& keys,
               A* to) {
  for (std::int64_t i = 0; i < keys.count; ++i) {
    prefetch_row(x.at(b, keys.begin + std::min(i + kPrefetchRows, keys.count - 1), group), sizes.width);
    pack_row(x.at(b, keys.begin + i, group), sizes.width, A(1), to + i * kWidth<A>, keys.count * kWidth<A>);
  }
}

/// Pieces of a thread's scratch.
template <class A>
class Scratch {
 public:
  explicit Scratch(A* begin) : next_(begin) {}
  A* take(std::int64_t elements) {
    A* const piece = next_;
    next_ += rounded_up(elements, kWidth<A>);
    return piece;
  }

 private:
  A* next_;
};

}  // namespace ingot::ops::attention_cpu
