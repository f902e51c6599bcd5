#pragma once
// What a layer knows of the sequences it works on.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace ingot {

/// Tensors that all layers derive alike from one SequenceContext (attention masks, rotation tables, masks across
/// documents). Made on first use, dropped with the context. Holds nothing that requires grad.
class SequenceCache {
 public:
  const at::Tensor& get(const std::string& key, const std::function<at::Tensor()>& make);

 private:
  std::map<std::string, at::Tensor> tensors_;
};

/// What a layer leaves for later layers of the same forward pass.
struct FirstValues {
  at::Tensor v;  // [B, T, H', K] of the first attention with a value residual; undefined before it has run
};

/// Shape letters used throughout nn: B rows, T tokens, D d_model, H heads, K head width, P prefix (meta) length.
///
/// Tensors are fixed-shape and stay on the device; `prefix` and `may_reset` are constants of the host. No layer branches
/// on the tensors' values on the host.
struct SequenceContext {
  std::int64_t batch = 0;
  std::int64_t seq_len = 0;
  at::Tensor position;  // [B, T] (or [1, T] if all rows agree) int64, counted from the document's start, the first real
                        // token of a document being at `prefix`
  /// [B, T] int64, non-decreasing in a row; undefined if !may_reset. 0 is the document that continues StateFlow::incoming
  /// where there is one, so a row that begins a document there starts at 1.
  at::Tensor document;
  std::int64_t prefix = 0;  // P of the model; 0 while the prefix itself runs
  bool may_reset = false;   // a row may hold several documents
  bool training = false;
  bool record_buffers = false;  // add to running statistics, unless ops::recomputing()
  /// Copies share it: a copy with other positions, documents or prefix needs a new one. Null: nothing is shared.
  std::shared_ptr<SequenceCache> cache = std::make_shared<SequenceCache>();
  /// Null outside a model.
  std::shared_ptr<FirstValues> first_values;

  /// Through `cache` if there is one.
  at::Tensor cached(const std::string& key, const std::function<at::Tensor()>& make) const {
    return cache != nullptr ? cache->get(key, make) : make();
  }
};

/// What a mixer carries along the sequence: recurrent state, convolution tail, keys and values. Opaque outside the mixer
/// that made it. First axis of each tensor is the batch, or 1 where all rows share it (the state after the meta prefix).
struct MixerState {
  std::vector<at::Tensor> tensors;
  std::int64_t length = 0;  // rows in use of tensors that grow by a row a token (keys and values); 0 for other states
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
