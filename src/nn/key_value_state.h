#pragma once
// States whose tensors [B, S, ...] hold a row per token: keys, values, positions. `MixerState::length` rows are in use;
// the buffers may be longer, so that appending a row moves nothing most of the time.

#include "nn/context.h"

namespace ingot {

/// Rows in use of tensor `index`, a view.
at::Tensor in_use(const MixerState& state, std::size_t index);

/// Whether the next row needs larger buffers.
bool is_full(const MixerState& state);

/// Writes rows[i] [B, 1, ...] behind the rows in use of tensor i; full buffers are copied to larger ones first.
void append_row(MixerState& state, const std::vector<at::Tensor>& rows);

/// Keeps the first `front` and the last `last` rows.
void keep_rows(MixerState& state, std::int64_t front, std::int64_t last);

/// Parts one behind another along axis 1; parts of batch 1 are repeated for every row of the others.
at::Tensor join_rows(const std::vector<at::Tensor>& parts);

}  // namespace ingot
