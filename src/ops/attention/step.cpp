// Attention of one token over the keys before it: each key and value is read once from memory.

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "device/parallel.h"
#include "device/simd.h"
#include "ops/attention/cpu.h"
#include "ops/kernel_types.h"

namespace ingot::ops {
namespace {

/// Keys and values of a piece stay in the cache while the queries of a group pass over them.
constexpr std::int64_t kPieceKeys = 256;
constexpr std::int64_t kKeysAhead = 8;  // asked for early

/// Rows of one head, `stride` elements apart.
template <class T>
struct HeadRows {
  const T* first;
  std::int64_t stride;
};

/// The softmax over one piece of the keys: y unnormalised, sum and maximum, as they lie in `out`.
template <class T, class A>
struct Piece {
  const T* q;
  HeadRows<T> k, v;  // of the piece
  std::int64_t keys, width;
  A scale;
  A* out;  // [width + 2]

  INGOT_INLINE void run() const {
    A scores[kPieceKeys];
    const A max = scores_of(scores);
    for (std::int64_t j = 0; j < keys; ++j) scores[j] = simd::exp(scores[j] - max);
    add_values(scores);
    out[width] = max;
    out[width + 1] = simd::lane_sum<A>(keys, [&](std::int64_t j) { return scores[j]; });
  }

 private:
  /// Rows of a head are too short for the processor to see them coming.
  INGOT_INLINE void prefetch(const T* row) const {
    constexpr std::int64_t kLine = 64 / sizeof(T);
    for (std::int64_t i = 0; i < width; i += kLine) __builtin_prefetch(row + i);
  }

  /// Their maximum.
  INGOT_INLINE A scores_of(A* scores) const {
    A max = 0;
    for (std::int64_t j = 0; j < keys; ++j) {
      const T* const key = k.first + j * k.stride;
      if (j + kKeysAhead < keys) prefetch(key + kKeysAhead * k.stride);
      const A dot = simd::lane_sum<A>(width, [&](std::int64_t i) { return simd::wide(q[i]) * simd::wide(key[i]); });
      scores[j] = scale * dot;
      max = j == 0 || scores[j] > max ? scores[j] : max;
    }
    return max;
  }

  INGOT_INLINE void add_values(const A* weights) const {
    A* __restrict const y = out;
    for (std::int64_t i = 0; i < width; ++i) y[i] = 0;
    std::int64_t j = 0;
    for (; j + 4 <= keys; j += 4) {
      const T* const row = v.first + j * v.stride;
      for (std::int64_t i = 0; i < width; ++i) {
        y[i] +=
            (weights[j] * simd::wide(row[i]) + weights[j + 1] * simd::wide(row[v.stride + i])) +
            (weights[j + 2] * simd::wide(row[2 * v.stride + i]) + weights[j + 3] * simd::wide(row[3 * v.stride + i]));
      }
    }
    for (; j < keys; ++j) {
      const T* const row = v.first + j * v.stride;
      for (std::int64_t i = 0; i < width; ++i) y[i] += weights[j] * simd::wide(row[i]);
    }
  }
};

template <class T, class A>
void run(const Piece<T, A>& piece) {
  INGOT_MULTIVERSION(piece.run());
}

/// Joins the softmaxes of a head's pieces.
template <class T, class A>
void join(const A* parts, std::int64_t pieces, std::int64_t width, T* y) {
  const auto part = [&](std::int64_t p) { return parts + p * (width + 2); };
  A max = part(0)[width];
  for (std::int64_t p = 1; p < pieces; ++p) max = std::max(max, part(p)[width]);
  A sum = 0;
  for (std::int64_t p = 0; p < pieces; ++p) sum += simd::exp(part(p)[width] - max) * part(p)[width + 1];
  for (std::int64_t i = 0; i < width; ++i) {
    A value = 0;
    for (std::int64_t p = 0; p < pieces; ++p) value += simd::exp(part(p)[width] - max) * part(p)[i];
    simd::store(y + i, value / sum);
  }
}

struct KeyRange {
  std::int64_t begin, end;
};

/// The visible keys in pieces.
std::vector<KeyRange> pieces_of(std::int64_t keys, const VisibleKeys& seen) {
  const auto begin = seen.window > 0 ? std::max<std::int64_t>(0, keys - seen.window) : 0;
  std::vector<KeyRange> out;
  const auto add = [&](std::int64_t from, std::int64_t to) {
    for (; from < to; from += kPieceKeys) out.push_back({from, std::min(from + kPieceKeys, to)});
  };
  if (seen.front_always) add(0, std::min(seen.front, begin));
  add(begin, keys);
  return out;
}

}  // namespace

bool suits_cpu_attention_step(const at::Tensor& q, const at::Tensor& k, const VisibleKeys& seen) {
  return has_cpu_kernel(q) && q.size(1) == 1 && !seen.start.defined() && !seen.mask.defined() && !needs_grad({q, k});
}

at::Tensor cpu_attention_step(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const VisibleKeys& seen,
                              double scale) {
  const at::Tensor query = with_unit_rows(q), key = with_unit_rows(k), value = with_unit_rows(v);
  const auto heads = q.size(2), width = q.size(3), groups = k.size(2), group = heads / groups;
  const auto pieces = pieces_of(k.size(1), seen);
  const auto count = static_cast<std::int64_t>(pieces.size());
  const at::Tensor y = at::empty(q.sizes(), q.options());
  const at::Tensor parts =
      at::empty({q.size(0), heads, count, width + 2}, q.options().dtype(wide_type(q.scalar_type())));
  with_kernel_types(q.scalar_type(), [&]<class T, class A>() {
    const auto rows = [](const at::Tensor& x, std::int64_t b, std::int64_t head, std::int64_t first) {
      return HeadRows<T>{raw<T>(x) + b * x.stride(0) + first * x.stride(1) + head * x.stride(2), x.stride(1)};
    };
    const auto part = [&](std::int64_t b, std::int64_t head, std::int64_t piece) {
      return raw<A>(parts) + ((b * heads + head) * count + piece) * (width + 2);
    };
    const auto run_item = [&](std::int64_t item) {
      const auto of_keys = item % groups, piece = item / groups % count, b = item / groups / count;
      const auto [begin, end] = pieces[static_cast<std::size_t>(piece)];
      for (auto head = of_keys * group; head < (of_keys + 1) * group; ++head) {
        run(Piece<T, A>{rows(query, b, head, 0).first, rows(key, b, of_keys, begin), rows(value, b, of_keys, begin),
                        end - begin, width, static_cast<A>(scale), part(b, head, piece)});
      }
    };
    const auto item_elements = 2 * std::min(kPieceKeys, k.size(1)) * width * group;
    parallel_for(0, q.size(0) * groups * count, std::max<std::int64_t>(1, kSerialElements / item_elements),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (auto item = begin; item < end; ++item) run_item(item);
                 });
    for (std::int64_t row = 0; row < q.size(0) * heads; ++row) {
      join<T, A>(part(0, row, 0), count, width, raw<T>(y) + row * width);
    }
  });
  return y;
}

}  // namespace ingot::ops
