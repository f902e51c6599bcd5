#pragma once
// The keys of a parallel forward: those that states bring along, then its own.

#include <vector>

#include "nn/context.h"

namespace ingot {

/// The first row alone where all rows agree.
at::Tensor distinct_rows(const at::Tensor& position);

/// Keys that lie before a call's own, in the order fresh, incoming. Their states hold rows as in nn/key_value_state.h:
/// keys, values and positions, and where rows may hold several documents also [B, S] bool, whether a row belongs to the
/// last one.
struct KeySources {
  const MixerState* fresh = nullptr;     // null if empty, or if no document meets it
  const MixerState* incoming = nullptr;  // null if empty
  bool continues = false;                // whether document 0 of each row continues `incoming`, were it empty

  KeySources(const SequenceContext& context, const StateFlow& states);

  bool any() const { return fresh != nullptr || incoming != nullptr; }
  bool has_valid() const { return incoming != nullptr && incoming->tensors.size() == 4; }
  std::int64_t length() const;

  /// Tensor `index` of the sources.
  std::vector<at::Tensor> before(std::size_t index) const;
  /// The same, then the call's own.
  std::vector<at::Tensor> with(std::size_t index, const at::Tensor& own) const;

  /// [B, T - first, S] bool: which of all keys belong to the documents of the queries from `first` on.
  at::Tensor same_document(const SequenceContext& context, std::int64_t first) const;
};

}  // namespace ingot
