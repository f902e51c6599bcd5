#pragma once
// Attention over blocks of queries and keys on a CPU: the forward keeps a running maximum and sum (Dao et al. 2022,
// arXiv:2205.14135, algorithm 1), the backward makes the probabilities again from the log-sum-exp (algorithm 4). Plain
// C++, no LibTorch. In is double, float or std::uint16_t (bits of bfloat16), A what is summed in: double or float.
//
// The G query heads that read one key head are worked on together: row r of a group is head r % G of query r / G, and a
// block is kBlockRows rows. So a block of keys is read once for all of them, and their gradients meet in one sum
// without a race.

#include <algorithm>
#include <cstdint>

#include "ops/attention/strips.h"

namespace ingot::ops::attention_cpu {

inline constexpr std::int64_t kBlockRows = 64;   // rows (queries times heads) of a block
inline constexpr std::int64_t kBlockKeys = 128;  // keys of a block
inline constexpr std::int64_t kMaxSpan = 4;      // blocks that an item has at hand, against one block at a time

/// [B, tokens, heads, K] with unit last stride.
template <class In>
struct Heads {
  In* data = nullptr;
  std::int64_t row = 0, token = 0, head = 0;  // strides in elements

  In* at(std::int64_t b, std::int64_t t, std::int64_t h) const { return data + b * row + t * token + h * head; }
};

/// Which keys a query sees: VisibleKeys of attention.h without a mask.
struct Visible {
  std::int64_t window = 0, front = 0;
  bool always = false;
  const std::int64_t* start = nullptr;  // or null: `front`
  std::int64_t start_row = 0;           // stride of the batch axis
};

struct Sizes {
  std::int64_t batch, queries, keys, groups, heads, width;  // B, T, S, H', G, K
  double scale;
  Visible visible;

  std::int64_t rows() const { return queries * heads; }  // of a group
  std::int64_t row_blocks() const { return (rows() + kBlockRows - 1) / kBlockRows; }
  /// Blocks of the front keys, then of the others: no block holds both.
  std::int64_t front_blocks() const { return (visible.front + kBlockKeys - 1) / kBlockKeys; }
  std::int64_t key_blocks() const { return front_blocks() + (keys - visible.front + kBlockKeys - 1) / kBlockKeys; }
  std::int64_t row_spans(std::int64_t span) const { return (row_blocks() + span - 1) / span; }
  std::int64_t key_spans(std::int64_t span) const { return (key_blocks() + span - 1) / span; }
};

/// y = softmax(scale · q kᵀ) v over the visible keys; lse [B, H', T · G] the logarithm of the sum of exponentials.
template <class In, class A>
struct Forward {
  Sizes sizes;
  Heads<const In> q, k, v;
  Heads<In> y;
  A* lse;
  std::int64_t span = kMaxSpan;  // blocks of rows of an item

  std::int64_t items() const { return sizes.batch * sizes.groups * sizes.row_spans(span); }
  std::int64_t scratch() const;  // elements of A for each thread
  void run(std::int64_t item, A* scratch) const;
};

/// With p = exp(scale · q k - lse) and ds = p ∘ (dy vᵀ - delta), delta the sum of dy ∘ y over a row:
///   dv = pᵀ dy,  dk = scale · dsᵀ q,  dq = scale · ds k.
/// An item is a group (`kAll`), or only a span of its keys or of its rows: these compute p and ds twice but are more.
/// Either way every gradient is the same sum in the same order.
template <class In, class A>
struct Backward {
  enum class Part { kAll, kKeys, kRows };
  Sizes sizes;
  Heads<const In> q, k, v, y, dy;
  Heads<In> dq, dk, dv;
  const A* lse;
  A* delta;                      // [B, H', T · G], filled by run_delta
  std::int64_t span = kMaxSpan;  // blocks of keys or rows at hand

  std::int64_t delta_items() const { return sizes.batch * sizes.queries; }
  void run_delta(std::int64_t item) const;
  std::int64_t items(Part part) const;
  std::int64_t scratch(Part part) const;
  void run(Part part, std::int64_t item, A* scratch) const;

 private:
  void run_keys(std::int64_t b, std::int64_t group, std::int64_t begin, std::int64_t end, A* dq, A* scratch) const;
  void run_rows(std::int64_t b, std::int64_t group, std::int64_t begin, std::int64_t end, A* scratch) const;
};

}  // namespace ingot::ops::attention_cpu
