#include "nn/key_sources.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros_like.h>

#include "nn/key_value_state.h"

namespace ingot {

at::Tensor distinct_rows(const at::Tensor& position) {
  return position.size(0) > 1 && position.stride(0) == 0 ? position.narrow(0, 0, 1) : position;
}

KeySources::KeySources(const SequenceContext& context, const StateFlow& states) {
  const auto used = [](const MixerState* state) { return state != nullptr && state->length > 0 ? state : nullptr; };
  incoming = used(states.incoming);
  continues = states.incoming != nullptr;
  // A row that continues a document meets the fresh state only where it begins another one.
  if (!continues || context.may_reset) fresh = used(states.fresh);
}

std::int64_t KeySources::length() const {
  return (fresh != nullptr ? fresh->length : 0) + (incoming != nullptr ? incoming->length : 0);
}

std::vector<at::Tensor> KeySources::before(std::size_t index) const {
  std::vector<at::Tensor> parts;
  if (fresh != nullptr) parts.push_back(in_use(*fresh, index));
  if (incoming != nullptr) parts.push_back(in_use(*incoming, index));
  return parts;
}

std::vector<at::Tensor> KeySources::with(std::size_t index, const at::Tensor& own) const {
  std::vector<at::Tensor> parts = before(index);
  parts.push_back(own);
  return parts;
}

at::Tensor KeySources::same_document(const SequenceContext& context, std::int64_t first) const {
  const at::Tensor document = context.may_reset ? context.document : at::zeros_like(distinct_rows(context.position));
  const at::Tensor query = document.narrow(1, first, document.size(1) - first).unsqueeze(2);
  const std::int64_t batch = std::max(query.size(0), has_valid() ? incoming->tensors[3].size(0) : 1);
  std::vector<at::Tensor> parts;
  const auto add = [&](const at::Tensor& seen, std::int64_t keys) {
    parts.push_back(seen.expand({batch, query.size(1), keys}));
  };
  if (fresh != nullptr) add(continues ? query > 0 : query >= 0, fresh->length);
  if (incoming != nullptr) {
    add(has_valid() ? (query == 0) & in_use(*incoming, 3).unsqueeze(1) : query == 0, incoming->length);
  }
  add(query == document.unsqueeze(1), document.size(1));
  return at::cat(parts, 2);
}

}  // namespace ingot
