#include <cmath>
#include <limits>
#include <vector>

#include "ops/attention/blocks.h"
#include "ops/attention/packing.h"

namespace ingot::ops::attention_cpu {

namespace {

/// A block of rows on its way along the keys: its queries, and for each row the weighted sum of values so far, the
/// maximal score and the sum of exponentials relative to it.
template <class A>
class Gathering {
 public:
  Gathering(const Sizes& sizes, const RowBlock<A>& rows, Scratch<A>& scratch)
      : rows_(rows),
        columns_(padded_width<A>(sizes)),
        queries_(scratch.take(kBlockRows * columns_)),
        values_(scratch.take(kBlockRows * columns_)) {
    // Finite, so that differences of maxima are numbers before a row has seen its first key.
    std::fill_n(max_, kBlockRows, std::numeric_limits<A>::lowest() / 2);
    std::fill_n(sum_, kBlockRows, A(0));
  }

  const RowBlock<A>& rows() const { return rows_; }

  template <class In>
  void load(const Sizes& sizes, const Heads<const In>& q) {
    // The values are not in use yet.
    rows_.pack(sizes, q, static_cast<A>(sizes.scale), values_);
    transpose_strips(values_, rows_.padded * kW, rows_.padded, columns_, queries_);
    std::fill_n(values_, rows_.padded * columns_, A(0));
  }

  /// k, v: strips [count, K]. scores: space for [count, rows].
  void add(const StripRange<A>* ranges, std::int64_t count, const A* k, const A* v, A* scores) {
    const std::int64_t stride = count * kW, strips = columns_ / kW;
    for (std::int64_t s = 0; s < rows_.strips; ++s) {
      const StripRange<A>& range = ranges[s];
      const std::int64_t begin = range.begin * kW, seen = range.end - range.begin;
      if (seen == 0) continue;
      A decay[kW];
      kernels_.product({scores + begin, k + begin, stride, queries_ + s * columns_ * kW, seen, strips, false});
      kernels_.softmax({scores, &range, max_ + s * kW, sum_ + s * kW, decay});
      scale(s, decay);
      for (std::int64_t c = 0; c < strips; ++c) {
        kernels_.transposed_product({strip_of(s, c), scores + begin, v + c * stride + begin, seen, true});
      }
    }
  }

  template <class In>
  void store(const Sizes& sizes, const Heads<In>& y, A* lse) const {
    for (std::int64_t i = 0; i < rows_.count; ++i) {
      lse[rows_.begin + i] = max_[i] + std::log(sum_[i]);
      unpack_row(values_ + i * kW, rows_.padded * kW, sizes.width, 1 / sum_[i], rows_.at(sizes, y, i));
    }
  }

 private:
  static constexpr std::int64_t kW = kWidth<A>;

  /// Rows of strip s, columns of strip c.
  A* strip_of(std::int64_t s, std::int64_t c) const { return values_ + (c * rows_.padded + s * kW) * kW; }

  void scale(std::int64_t s, const A* decay) const {
    if (std::all_of(decay, decay + kW, [](A d) { return d == A(1); })) return;
    for (std::int64_t c = 0; c < columns_ / kW; ++c) {
      A* const strip = strip_of(s, c);
      for (std::int64_t i = 0; i < kW; ++i) {
        for (std::int64_t j = 0; j < kW; ++j) strip[i * kW + j] *= decay[i];
      }
    }
  }

  RowBlock<A> rows_;
  std::int64_t columns_;
  A* queries_;  // strips [K, rows], scaled
  A* values_;   // strips [rows, K]
  A max_[kBlockRows], sum_[kBlockRows];
  const StripKernels<A>& kernels_ = strip_kernels<A>();
};

}  // namespace

template <class In, class A>
std::int64_t Forward<In, A>::scratch() const {
  const std::int64_t columns = padded_width<A>(sizes);
  return span * 2 * kBlockRows * columns + kBlockKeys * (2 * columns + kWidth<A>);
}

template <class In, class A>
void Forward<In, A>::run(std::int64_t item, A* space) const {
  const std::int64_t columns = padded_width<A>(sizes), spans = sizes.row_spans(span);
  const std::int64_t group = item / spans % sizes.groups, b = item / spans / sizes.groups;
  Scratch<A> scratch(space);
  A* const keys_at = scratch.take(kBlockKeys * columns);
  A* const values_at = scratch.take(kBlockKeys * columns);
  A* const scores = scratch.take(kBlockKeys * kWidth<A>);
  std::vector<Gathering<A>> gatherings;
  gatherings.reserve(static_cast<std::size_t>(span));
  for (std::int64_t m = item % spans * span; m < std::min((item % spans + 1) * span, sizes.row_blocks()); ++m) {
    gatherings.emplace_back(sizes, RowBlock<A>(sizes, b, group, m), scratch).load(sizes, q);
  }

  StripRange<A> ranges[kBlockRows / kWidth<A>];
  for (std::int64_t n = 0; n < sizes.key_blocks(); ++n) {
    const KeyBlock keys = key_block(sizes, n);
    bool loaded = false;
    for (Gathering<A>& gathering : gatherings) {
      if (!gathering.rows().see(sizes, keys, ranges)) continue;
      if (!loaded) {
        pack_keys(sizes, k, b, group, keys, keys_at);
        pack_keys(sizes, v, b, group, keys, values_at);
        loaded = true;
      }
      gathering.add(ranges, keys.count, keys_at, values_at, scores);
    }
  }
  for (const Gathering<A>& gathering : gatherings) {
    gathering.store(sizes, y, lse + (b * sizes.groups + group) * sizes.rows());
  }
}

template struct Forward<double, double>;
template struct Forward<float, float>;
template struct Forward<std::uint16_t, float>;

}  // namespace ingot::ops::attention_cpu
