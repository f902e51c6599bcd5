#include "nn/documents.h"

#include "base/text.h"

namespace ingot {

StartTensors start_tensors(const SequenceContext& context, const StateFlow& states, std::size_t index) {
  const auto pick = [&](const MixerState* state) {
    return state != nullptr && !state->empty() ? state->tensors[index] : at::Tensor();
  };
  if (!context.may_reset) return {pick(states.start()), {}};
  return {pick(states.incoming), pick(states.fresh)};
}

at::Tensor origin_of(const SequenceContext& context, const StateFlow& states) {
  if (!context.may_reset) return {};
  const bool continues = states.incoming != nullptr;
  return context.cached(cat("origin ", continues), [&] { return ops::document_origin(context.document, continues); });
}

ops::DocumentChunks chunks_of(const SequenceContext& context, const StateFlow& states, std::int64_t chunk) {
  ops::DocumentChunks chunks;
  if (!context.may_reset) return chunks;
  const std::string key = cat("chunks ", chunk, " ", states.incoming != nullptr, " ");
  const auto all = [&] {
    if (!chunks.defined()) chunks = ops::document_chunks(origin_of(context, states), chunk);
    return chunks;
  };
  const at::Tensor carried = context.cached(key + "carried", [&] { return all().carried; });
  const at::Tensor last = context.cached(key + "last", [&] { return all().last; });
  const at::Tensor visible = context.cached(key + "visible", [&] { return all().visible; });
  const at::Tensor start = context.cached(key + "start", [&] { return all().start; });
  return {carried, last, visible, start};
}

}  // namespace ingot
