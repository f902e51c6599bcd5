#include <utility>
#include <vector>

#include "ops/attention/blocks.h"
#include "ops/attention/packing.h"

namespace ingot::ops::attention_cpu {

namespace {

/// A block of keys and the gradients gathered for it: strips [keys, K].
template <class A>
struct KeySlot {
  KeyBlock keys;
  A *k, *v, *dk, *dv;
};

/// A block of rows: strips [rows, K], and [K, rows] turned.
template <class A>
struct RowSlot {
  A *q, *q_turned, *dy, *dy_turned;
};

/// One group of heads, a block of its rows against a block of its keys at a time.
template <class In, class A>
class Group {
 public:
  Group(const Backward<In, A>& backward, std::int64_t b, std::int64_t group, Scratch<A>& scratch)
      : in_(backward),
        sizes_(backward.sizes),
        b_(b),
        group_(group),
        columns_(padded_width<A>(backward.sizes)),
        p_(scratch.take(kBlockKeys * kBlockRows)),
        ds_(scratch.take(kBlockKeys * kBlockRows)) {}

  RowBlock<A> rows(std::int64_t index) const { return {sizes_, b_, group_, index}; }

  RowSlot<A> row_slot(Scratch<A>& scratch) const {
    const auto take = [&] { return scratch.take(kBlockRows * columns_); };
    return {take(), take(), take(), take()};
  }
  KeySlot<A> key_slot(Scratch<A>& scratch, bool gradients) const {
    const auto take = [&] { return scratch.take(kBlockKeys * columns_); };
    KeySlot<A> slot{{}, take(), take(), nullptr, nullptr};
    if (gradients) slot.dk = take(), slot.dv = take();
    return slot;
  }

  void load(KeySlot<A>& slot, std::int64_t index) const {
    slot.keys = key_block(sizes_, index);
    pack_keys(sizes_, in_.k, b_, group_, slot.keys, slot.k);
    pack_keys(sizes_, in_.v, b_, group_, slot.keys, slot.v);
    for (A* const gradient : {slot.dk, slot.dv}) {
      if (gradient != nullptr) std::fill_n(gradient, slot.keys.count * columns_, A(0));
    }
  }
  void load(const RowSlot<A>& slot, const RowBlock<A>& rows) const {
    rows.pack(sizes_, in_.q, static_cast<A>(sizes_.scale), slot.q);
    rows.pack(sizes_, in_.dy, A(1), slot.dy);
    transpose_strips(slot.q, rows.padded * kW, rows.padded, columns_, slot.q_turned);
    transpose_strips(slot.dy, rows.padded * kW, rows.padded, columns_, slot.dy_turned);
  }

  /// p and ds, zero where not seen.
  void probabilities(const RowBlock<A>& rows, const RowSlot<A>& slot, const KeySlot<A>& at,
                     const StripRange<A>* ranges) const {
    const std::int64_t stride = at.keys.count * kW;
    const std::int64_t offset = (b_ * sizes_.groups + group_) * sizes_.rows() + rows.begin;
    for (std::int64_t s = 0; s < rows.strips; ++s) {
      const StripRange<A>& range = ranges[s];
      const std::int64_t begin = range.begin * kW, end = range.end * kW;
      A* const p = p_ + s * stride;
      A* const ds = ds_ + s * stride;
      for (A* const strip : {p, ds}) {
        std::fill(strip, strip + begin, A(0));
        std::fill(strip + end, strip + stride, A(0));
      }
      if (begin == end) continue;
      A lse[kW], delta[kW];
      for (std::int64_t j = 0; j < kW; ++j) {
        const std::int64_t i = std::min(s * kW + j, rows.count - 1);
        lse[j] = in_.lse[offset + i];
        delta[j] = in_.delta[offset + i];
      }
      const std::int64_t count = range.end - range.begin, strips = columns_ / kW;
      kernels_.product({p + begin, at.k + begin, stride, slot.q_turned + s * columns_ * kW, count, strips, false});
      kernels_.product({ds + begin, at.v + begin, stride, slot.dy_turned + s * columns_ * kW, count, strips, false});
      kernels_.gradient({p, ds, &range, lse, delta});
    }
  }

  /// dq: strips [rows, K].
  void add_dq(const RowBlock<A>& rows, const KeySlot<A>& at, const StripRange<A>* ranges, A* dq) const {
    const std::int64_t stride = at.keys.count * kW;
    for (std::int64_t s = 0; s < rows.strips; ++s) {
      const std::int64_t begin = ranges[s].begin * kW, count = ranges[s].end - ranges[s].begin;
      if (count == 0) continue;
      for (std::int64_t c = 0; c < columns_ / kW; ++c) {
        kernels_.transposed_product(
            {dq + (c * rows.padded + s * kW) * kW, ds_ + s * stride + begin, at.k + c * stride + begin, count, true});
      }
    }
  }

  /// Sums over the strips of rows that see a key; keys side by side which the same strips see go together.
  void add_key_gradients(const RowBlock<A>& rows, const RowSlot<A>& slot, const KeySlot<A>& at,
                         const StripRange<A>* ranges) const {
    const std::int64_t count = at.keys.count;
    constexpr std::int64_t kPiece = 24;  // a multiple of the tiles of the products
    const auto strips_of = [&](std::int64_t begin, std::int64_t end) {
      std::int64_t first = rows.strips, last = 0;
      for (std::int64_t s = 0; s < rows.strips; ++s) {
        if (ranges[s].begin >= std::min(end, count) || ranges[s].end <= begin) continue;
        first = std::min(first, s);
        last = s + 1;
      }
      return std::pair(first, last);
    };
    for (std::int64_t begin = 0; begin < count;) {
      const auto strips = strips_of(begin, begin + kPiece);
      std::int64_t end = begin + kPiece;
      while (end < count && strips_of(end, end + kPiece) == strips) end += kPiece;
      end = std::min(end, count);
      if (strips.first < strips.second) add_key_piece(rows, slot, at, strips.first, strips.second, begin, end);
      begin = end;
    }
  }

  void store(const KeySlot<A>& slot) const {
    const std::int64_t stride = slot.keys.count * kW;
    for (std::int64_t i = 0; i < slot.keys.count; ++i) {
      unpack_row(slot.dk + i * kW, stride, sizes_.width, A(1), in_.dk.at(b_, slot.keys.begin + i, group_));
      unpack_row(slot.dv + i * kW, stride, sizes_.width, A(1), in_.dv.at(b_, slot.keys.begin + i, group_));
    }
  }
  void store_dq(const RowBlock<A>& rows, const A* dq) const {
    for (std::int64_t i = 0; i < rows.count; ++i) {
      unpack_row(dq + i * kW, rows.padded * kW, sizes_.width, static_cast<A>(sizes_.scale), rows.at(sizes_, in_.dq, i));
    }
  }

 private:
  static constexpr std::int64_t kW = kWidth<A>;

  void add_key_piece(const RowBlock<A>& rows, const RowSlot<A>& slot, const KeySlot<A>& at, std::int64_t first,
                     std::int64_t last, std::int64_t begin, std::int64_t end) const {
    const std::int64_t stride = at.keys.count * kW;
    const auto add = [&](A* to, const A* weights, const A* from) {
      for (std::int64_t c = 0; c < columns_ / kW; ++c) {
        kernels_.product({to + c * stride + begin * kW, weights + first * stride + begin * kW, stride,
                          from + (c * rows.padded + first * kW) * kW, end - begin, last - first, true});
      }
    };
    add(at.dv, p_, slot.dy);
    add(at.dk, ds_, slot.q);
  }

  const Backward<In, A>& in_;
  const Sizes& sizes_;
  std::int64_t b_, group_, columns_;
  A *p_, *ds_;  // strips [keys, rows]
  const StripKernels<A>& kernels_ = strip_kernels<A>();
};

}  // namespace

template <class In, class A>
void Backward<In, A>::run_delta(std::int64_t item) const {
  const std::int64_t b = item / sizes.queries, t = item % sizes.queries;
  for (std::int64_t h = 0; h < sizes.groups * sizes.heads; ++h) {
    const In* const left = dy.at(b, t, h);
    const In* const right = y.at(b, t, h);
    A sums[kWidth<A>] = {};
    for (std::int64_t c = 0; c < sizes.width; c += kWidth<A>) {
      const std::int64_t count = std::min(kWidth<A>, sizes.width - c);
      for (std::int64_t j = 0; j < count; ++j) sums[j] += simd::wide(left[c + j]) * simd::wide(right[c + j]);
    }
    A sum = 0;
    for (const A part : sums) sum += part;
    delta[(b * sizes.groups + h / sizes.heads) * sizes.rows() + t * sizes.heads + h % sizes.heads] = sum;
  }
}

template <class In, class A>
std::int64_t Backward<In, A>::items(Part part) const {
  const std::int64_t groups = sizes.batch * sizes.groups;
  if (part == Part::kAll) return groups;
  return groups * (part == Part::kKeys ? sizes.key_spans(span) : sizes.row_spans(span));
}

template <class In, class A>
std::int64_t Backward<In, A>::scratch(Part part) const {
  const std::int64_t columns = padded_width<A>(sizes);
  const std::int64_t row_block = kBlockRows * columns, key_block = kBlockKeys * columns,
                     scores = kBlockKeys * kBlockRows;
  if (part == Part::kRows) return 2 * scores + 2 * key_block + span * 5 * row_block;
  const std::int64_t dq_size = part == Part::kAll ? sizes.row_blocks() * row_block : 0;
  return 2 * scores + 4 * row_block + span * 4 * key_block + dq_size;
}

/// dk and dv of the blocks of keys [begin, end). Adds to dq_at, blocks of rows one behind another, unless it is null.
template <class In, class A>
void Backward<In, A>::run_keys(std::int64_t b, std::int64_t index, std::int64_t begin, std::int64_t end, A* dq_at,
                               A* space) const {
  Scratch<A> scratch(space);
  const Group<In, A> group(*this, b, index, scratch);
  const RowSlot<A> row_slot = group.row_slot(scratch);
  std::vector<KeySlot<A>> slots;
  for (std::int64_t n = begin; n < end; ++n) group.load(slots.emplace_back(group.key_slot(scratch, true)), n);
  StripRange<A> ranges[kBlockRows / kWidth<A>];
  for (std::int64_t m = 0; m < sizes.row_blocks(); ++m) {
    const RowBlock<A> rows = group.rows(m);
    bool loaded = false;
    for (const KeySlot<A>& slot : slots) {
      if (!rows.see(sizes, slot.keys, ranges)) continue;
      if (!loaded) group.load(row_slot, rows);
      loaded = true;
      group.probabilities(rows, row_slot, slot, ranges);
      group.add_key_gradients(rows, row_slot, slot, ranges);
      if (dq_at != nullptr) group.add_dq(rows, slot, ranges, dq_at + m * kBlockRows * padded_width<A>(sizes));
    }
  }
  for (const KeySlot<A>& slot : slots) group.store(slot);
}

/// dq of the blocks of rows [begin, end).
template <class In, class A>
void Backward<In, A>::run_rows(std::int64_t b, std::int64_t index, std::int64_t begin, std::int64_t end,
                               A* space) const {
  Scratch<A> scratch(space);
  const std::int64_t block = kBlockRows * padded_width<A>(sizes);
  const Group<In, A> group(*this, b, index, scratch);
  KeySlot<A> key_slot = group.key_slot(scratch, false);
  A* const dq_at = scratch.take((end - begin) * block);
  std::fill_n(dq_at, (end - begin) * block, A(0));
  std::vector<RowBlock<A>> rows;
  std::vector<RowSlot<A>> slots;
  for (std::int64_t m = begin; m < end; ++m) {
    group.load(slots.emplace_back(group.row_slot(scratch)), rows.emplace_back(group.rows(m)));
  }
  StripRange<A> ranges[kBlockRows / kWidth<A>];
  for (std::int64_t n = 0; n < sizes.key_blocks(); ++n) {
    const KeyBlock keys = key_block(sizes, n);
    bool loaded = false;
    for (std::size_t m = 0; m < rows.size(); ++m) {
      if (!rows[m].see(sizes, keys, ranges)) continue;
      if (!loaded) group.load(key_slot, n);
      loaded = true;
      group.probabilities(rows[m], slots[m], key_slot, ranges);
      group.add_dq(rows[m], key_slot, ranges, dq_at + static_cast<std::int64_t>(m) * block);
    }
  }
  for (std::size_t m = 0; m < rows.size(); ++m) group.store_dq(rows[m], dq_at + static_cast<std::int64_t>(m) * block);
}

template <class In, class A>
void Backward<In, A>::run(Part part, std::int64_t item, A* space) const {
  const std::int64_t blocks = part == Part::kRows ? sizes.row_blocks() : sizes.key_blocks();
  const std::int64_t spans = part == Part::kAll ? 1 : (blocks + span - 1) / span;
  const std::int64_t b = item / spans / sizes.groups, index = item / spans % sizes.groups;
  const std::int64_t begin = item % spans * span, end = std::min(begin + span, blocks);
  if (part == Part::kRows) return run_rows(b, index, begin, end, space);
  if (part == Part::kKeys) return run_keys(b, index, begin, end, nullptr, space);
  const std::int64_t dq_block = kBlockRows * padded_width<A>(sizes);
  A* const dq_at = space;
  space += sizes.row_blocks() * dq_block;
  std::fill(dq_at, space, A(0));
  for (std::int64_t n = 0; n < blocks; n += span) run_keys(b, index, n, std::min(n + span, blocks), dq_at, space);
  Scratch<A> scratch(space);
  const Group<In, A> group(*this, b, index, scratch);
  for (std::int64_t m = 0; m < sizes.row_blocks(); ++m) group.store_dq(group.rows(m), dq_at + m * dq_block);
}

template struct Backward<double, double>;
template struct Backward<float, float>;
template struct Backward<std::uint16_t, float>;

}  // namespace ingot::ops::attention_cpu
