#pragma once
// CPU kernel of scan.h. Bfloat16 comes as std::uint16_t.

#include <cstdint>

namespace ingot::ops::scan_kernels {

struct Sizes {
  std::int64_t chunks, groups, rows, heads, width;  // N, G, dk, R, dv
};

/// Tensors as in SsdScanInputs; `states` is `added` and becomes `entered`, `state` holds `start` and becomes `end`.
template <class Product, class Wide>
struct Scan {
  Product* states;
  Wide* state;
  const Wide* keep;
  const Wide* restart;  // null without
  const Wide* fresh;
  bool reverse;
  Sizes sizes;

  /// State rows [begin, end) of the B G dk.
  void run(std::int64_t begin, std::int64_t end) const;
};

}  // namespace ingot::ops::scan_kernels
