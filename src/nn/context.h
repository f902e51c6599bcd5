#pragma once
// What a layer knows of the sequences it works on.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace ingot {

/// Shape letters used throughout nn: B rows, T tokens, D d_model, H heads, K head width, P prefix (meta) length.
///
/// Tensors are fixed-shape and stay on the device; `prefix` and `may_reset` are constants of the host. No layer branches
/// on the tensors' values on the host.
struct SequenceContext {
  std::int64_t batch = 0;
  std::int64_t seq_len = 0;
  at::Tensor position;     // [B, T] int64, counted from the document's start; the first real token is at `prefix`
  at::Tensor document;     // [B, T] int64, non-decreasing in a row, from 0; undefined if !may_reset
  std::int64_t prefix = 0;  // P of the model; 0 while the prefix itself runs
  bool may_reset = false;   // a row may hold several documents
  bool training = false;
  bool record_buffers = false;  // add to running statistics (off in evaluation and recompute)
};

/// What a mixer carries along the sequence: recurrent state, convolution tail, keys and values. Opaque outside the mixer
/// that made it. First axis of each tensor is the batch, or 1 where all rows share it (the state after the meta prefix).
struct MixerState {
  std::vector<at::Tensor> tensors;
  bool empty() const { return tensors.empty(); }
};

/// Where states come from and go to in one parallel forward.
struct StateFlow {
  /// State at the start of every document begun in this call (after the meta prefix); null: the zero state. Batch 1 or B.
  const MixerState* fresh = nullptr;
  /// State at each row's start, when the row continues a document; null: `fresh`. Batch 1 or B.
  const MixerState* incoming = nullptr;
  /// If not null, receives the state after the last token (of the row's last document).
  MixerState* final = nullptr;

  const MixerState* start() const { return incoming != nullptr ? incoming : fresh; }
};

}  // namespace ingot
