#pragma once
// CPU kernels of chunk/rows.h. Bfloat16 comes as std::uint16_t.

#include <cstdint>

namespace ingot::ops::row_kernels {

/// Where the rows of a tensor [B, N, C, G, R, d] lie: its strides, the last one 1.
struct Place {
  std::int64_t batch = 0, chunk = 0, row = 0, group = 0, head = 0;
};

struct Extent {
  std::int64_t chunks, chunk, groups, heads, width;  // N, C, G, R, d
  std::int64_t length;                               // rows from here on are read as zero and not written
};

/// plain = rows, scaled = factor rows; factor [B, N, C, G R] contiguous. Absent: null. Chunks [begin, end) of the B N.
template <class Row, class Product, class Wide>
struct Spread {
  const Row* rows;
  Place rows_at;
  const Wide* factor;
  Product* plain;
  Place plain_at;
  Product* scaled;
  Place scaled_at;
  Extent extent;

  void run(std::int64_t begin, std::int64_t end) const;
};

/// rows = factor x + y; absent: 1 and 0.
template <class Row, class Product, class Wide>
struct Gather {
  const Product* x;
  Place x_at;
  const Wide* factor;
  const Product* y;
  Place y_at;
  Row* rows;
  Place rows_at;
  Extent extent;

  void run(std::int64_t begin, std::int64_t end) const;
};

/// out[b, n, c, h] = sum over d of a b.
template <class Product, class Wide>
struct Dots {
  const Product* a;
  Place a_at;
  const Product* b;
  Place b_at;
  Wide* out;
  Extent extent;

  void run(std::int64_t begin, std::int64_t end) const;
};

}  // namespace ingot::ops::row_kernels
