#pragma once
// Documents as chunked recurrences see them.

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ingot::ops {

/// The start states of a recurrence, [B or 1, H, dk, dv] in fp32 (fp64 for fp64); undefined: zero.
struct RecurrentStates {
  at::Tensor incoming;  // at the row's start, for the document that continues
  at::Tensor fresh;     // at the start of every document begun in this call
};

/// A start state as a tensor of `shape` [B, H, dk, dv] and the type of `options`; zeros if it is undefined.
at::Tensor start_state(const at::Tensor& state, at::IntArrayRef shape, const at::TensorOptions& options);

/// The gradient of a start state as it was given: `gradient` [B, H, dk, dv] summed over rows that shared it; undefined
/// if either is.
at::Tensor start_state_gradient(const at::Tensor& gradient, const at::Tensor& state);

/// Where documents lie in N chunks of C rows. A chunk is entered with the state of its carried document: the one that
/// the chunk before ended in. All [B, N, C] bool unless said.
struct DocumentChunks {
  at::Tensor carried;  // the row belongs to the carried document
  at::Tensor last;     // the row belongs to the document that the chunk ends in
  at::Tensor visible;  // [B, N, C, C]: j <= i, and both of one document
  at::Tensor start;    // int64: the document's first row within the chunk; 0 in the carried one

  bool defined() const { return carried.defined(); }
};

/// Rows per chunk, the last one filled up.
inline std::int64_t num_chunks(std::int64_t length, std::int64_t chunk) { return (length + chunk - 1) / chunk; }

/// origin [B, T] int64: index of the first row of the row's document, -1 for the one that continues the incoming state.
DocumentChunks document_chunks(const at::Tensor& origin, std::int64_t chunk);

/// [B, T] int64 from document [B, T], non-decreasing along a row: origin as above. `continues`: document 0 continues
/// the incoming state.
at::Tensor document_origin(const at::Tensor& document, bool continues);

/// [B, T, ...] -> [B, N, C, ...], filled up with zeros.
at::Tensor to_chunks(const at::Tensor& x, std::int64_t chunk);
/// [B, N, C, ...] -> [B, T, ...].
at::Tensor from_chunks(const at::Tensor& x, std::int64_t length);

}  // namespace ingot::ops
