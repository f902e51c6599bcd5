#pragma once
// Documents of a context in the forms that mixers need, made once per context.

#include "nn/context.h"
#include "ops/chunk/documents.h"

namespace ingot {

/// Tensor `index` of the states that a recurrence or a convolution starts from: `incoming` at each row's start, `fresh`
/// at the start of every document begun in this call. Without documents inside rows only `incoming` is set.
struct StartTensors {
  at::Tensor incoming, fresh;
};
StartTensors start_tensors(const SequenceContext& context, const StateFlow& states, std::size_t index);

/// ops::document_origin, undefined unless the context may reset.
at::Tensor origin_of(const SequenceContext& context, const StateFlow& states);

/// ops::document_chunks, undefined unless the context may reset.
ops::DocumentChunks chunks_of(const SequenceContext& context, const StateFlow& states, std::int64_t chunk);

}  // namespace ingot
