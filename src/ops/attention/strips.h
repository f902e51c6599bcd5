#pragma once
// Products and exponentials of attention's blocks. Plain loops on raw arrays, no LibTorch.
//
// A matrix [rows, columns] lies in strips of kWidth columns: element (i, j) at strip j / kWidth, row i, lane j %
// kWidth. So a row of a strip is one cache line, which a product reads as one vector of one factor or lane by lane as
// the other. Scores lie transposed, [keys, queries]: a lane is a query, and sums over keys go down the rows without a
// horizontal step.

#include <cstdint>
#include <type_traits>
#include <vector>

namespace ingot::ops::attention_cpu {

template <class T>
inline constexpr std::int64_t kWidth = 64 / static_cast<std::int64_t>(sizeof(T));

/// Lanes of T and of Index fill the same vectors.
template <class T>
using Index = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;

/// c[i][:] = sum over strips o and lanes k of a[o][i][k] · b[o · kWidth + k][:], or is added that. c: a strip's rows.
template <class T>
struct Product {
  T* c;
  const T* a;
  std::int64_t a_stride;  // elements from one strip of a to the next
  const T* b;             // [strips · kWidth, kWidth]
  std::int64_t rows, strips;
  bool accumulate;
};

/// c[i][:] = sum over rows n of a[n][i] · b[n][:], or is added that. a, b, c: strips; c has kWidth rows.
template <class T>
struct TransposedProduct {
  T* c;
  const T* a;
  const T* b;
  std::int64_t rows;
  bool accumulate;
};

/// Which rows (keys) of a block the queries of a strip see: lane l those in [low[l], high[l]).
template <class T>
struct StripRange {
  Index<T> low[kWidth<T>], high[kWidth<T>];
  std::int64_t begin, end;            // seen by some lane; begin == end: by none
  std::int64_t full_begin, full_end;  // seen by all; may be empty

  void close(std::int64_t rows);
};

/// One block of keys for one strip of queries: scores [rows][kWidth] -> exp(score - max) where seen, else 0, in rows
/// [begin, end). Updates the running max and sum of each lane; decay = exp(old max - new max).
template <class T>
struct SoftmaxBlock {
  T* scores;
  const StripRange<T>* range;
  T* max;
  T* sum;
  T* decay;
};

/// p = exp(score - lse) replaces the scores, ds = p (dp - delta) replaces dp; both 0 where not seen, in rows [begin,
/// end).
template <class T>
struct GradientBlock {
  T* scores;
  T* dp;
  const StripRange<T>* range;
  const T* lse;
  const T* delta;
};

/// The loops in one instruction set.
template <class T>
struct StripKernels {
  void (*product)(const Product<T>&);
  void (*transposed_product)(const TransposedProduct<T>&);
  void (*softmax)(const SoftmaxBlock<T>&);
  void (*gradient)(const GradientBlock<T>&);
};

/// All that this CPU can run, the fastest last.
template <class T>
std::vector<const StripKernels<T>*> usable_strip_kernels();

/// The fastest.
template <class T>
const StripKernels<T>& strip_kernels();

}  // namespace ingot::ops::attention_cpu
