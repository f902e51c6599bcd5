#pragma once
// CPU kernels of decay.h. Bfloat16 comes as std::uint16_t.

#include <cstdint>

namespace ingot::ops::decay_kernels {

/// Blocks are the B N G of a call, each with R heads; layouts as in decay.h.
struct Sizes {
  std::int64_t chunk, heads, groups;  // C, R, G
};

template <class Product, class Wide>
struct Forward {
  const Product* pairs;
  const Wide* b;
  const bool* visible;  // null: j <= i
  Product* scores;
  Sizes sizes;

  void run(std::int64_t begin, std::int64_t end) const;
};

template <class Product, class Wide>
struct Backward {
  const Product* dscores;
  const Product* scores;
  const Wide* b;
  const bool* visible;
  Product* dpairs;
  Wide* db;
  Wide* scratch;  // C (C + 1) for each block of the call
  Sizes sizes;

  void run(std::int64_t begin, std::int64_t end) const;
};

}  // namespace ingot::ops::decay_kernels
