#pragma once
// What a layer knows of the sequences it works on.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "nn/pass.h"

namespace ingot {

class AuxiliaryLosses;
struct LossTerm;

/// Tensors that all layers derive alike from one SequenceContext (attention masks, rotation tables, masks across
/// documents). Made on first use, dropped with the context. Holds nothing that requires grad.
class SequenceCache {
 public:
  const at::Tensor& get(const std::string& key, const std::function<at::Tensor()>& make);

 private:
  std::map<std::string, at::Tensor> tensors_;
};

/// What layers leave for later ones of the same forward pass, by the names that a ChannelPlan gave them when the model
/// was built. It may require grad.
class Channel {
 public:
  void put(const std::string& name, at::Tensor value) { values_[name] = std::move(value); }
  /// Undefined before a layer has left it.
  at::Tensor get(const std::string& name) const;

 private:
  std::map<std::string, at::Tensor> values_;
};

/// Shape letters used throughout nn: B rows, T tokens, D d_model, H heads, K head width, P prefix (meta) length.
///
/// Tensors are fixed-shape and stay on the device; `prefix` and `may_reset` are constants of the host. No layer
/// branches on the tensors' values on the host.
struct SequenceContext {
  std::int64_t batch = 0;
  std::int64_t seq_len = 0;
  at::Tensor position;  // [B, T] (or [1, T] if all rows agree) int64, counted from the document's start, the first real
                        // token of a document being at `prefix`
  /// [B, T] int64, non-decreasing in a row; undefined if !may_reset. 0 is the document that continues
  /// StateFlow::incoming where there is one, so a row that begins a document there starts at 1.
  at::Tensor document;
  std::int64_t prefix = 0;  // P of the model; 0 while the prefix itself runs
  bool may_reset = false;   // a row may hold several documents
  Pass pass;
  /// Its tokens are those of the batch, not of the meta prefix: in training they enter running statistics and the
  /// losses that layers add.
  bool is_batch = false;
  /// Copies share it: a copy with other positions, documents or prefix needs a new one. Null: nothing is shared.
  std::shared_ptr<SequenceCache> cache = std::make_shared<SequenceCache>();
  /// Null outside a model.
  std::shared_ptr<Channel> channel;
  /// What layers add to training's loss; null in evaluation and in the meta prefix.
  std::shared_ptr<AuxiliaryLosses> losses;

  /// Whether what is done here enters running statistics and metrics: once for each token that a step trains on.
  bool counts() const { return is_batch && pass.kind() == PassKind::kTraining; }
  /// Adds weight · sum to training's loss and, under the name of `term`, to the metrics. `sum` is a scalar, summed over
  /// the tokens of this micro-batch like the main loss. Returns x, which carries the gradient: what follows has to use
  /// it in place of x. Without `losses`: x as it is.
  at::Tensor add_loss(const at::Tensor& x, const LossTerm& term, double weight, const at::Tensor& sum) const;
  /// The same with a mean over the micro-batch, which then counts as often as this has target tokens. For losses that
  /// are no sum over tokens (the balance of experts), whose value so depends on what a micro-batch is.
  at::Tensor add_mean_loss(const at::Tensor& x, const LossTerm& term, double weight, const at::Tensor& mean) const;

  /// Through `cache` if there is one.
  at::Tensor cached(const std::string& key, const std::function<at::Tensor()>& make) const {
    return cache != nullptr ? cache->get(key, make) : make();
  }
};

/// What a mixer carries along the sequence: recurrent state, convolution tail, keys and values. Opaque outside the
/// mixer that made it. First axis of each tensor is the batch, or 1 where all rows share it (the state after the meta
/// prefix).
struct MixerState {
  std::vector<at::Tensor> tensors;
  std::int64_t length = 0;  // rows in use of tensors that grow by a row a token (keys and values); 0 for other states
  bool empty() const { return tensors.empty(); }
};

/// Where states come from and go to in one parallel forward.
struct StateFlow {
  /// State at the start of every document begun in this call (after the meta prefix); null: the zero state. Batch 1 or
  /// B.
  const MixerState* fresh = nullptr;
  /// State at each row's start, when the row continues a document; null: `fresh`. Batch 1 or B.
  const MixerState* incoming = nullptr;
  /// If not null, receives the state after the last token (of the row's last document).
  MixerState* final = nullptr;

  const MixerState* start() const { return incoming != nullptr ? incoming : fresh; }
};

}  // namespace ingot
