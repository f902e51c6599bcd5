#include "nn/value_residual.h"

#include <ATen/TensorOperators.h>

#include "base/error.h"
#include "base/text.h"
#include "nn/norm_parts.h"

namespace ingot {

ValueResidual::ValueResidual(const BranchContext& context, double start, std::int64_t heads, std::int64_t head_dim)
    : heads_(heads) {
  if (context.channel != nullptr) {
    ChannelPlan& channel = *context.channel;
    const ChannelPlan::Value* source = channel.find(kName);
    leaves_own_ = source == nullptr;
    if (leaves_own_) {
      channel.leave(kName, context.depth, {heads, head_dim});
      return;
    }
    if (source->shape != std::vector<std::int64_t>{heads, head_dim}) {
      throw ConfigError(cat("value_residual: sub-layer ", context.depth, " has ", heads, " value heads of width ",
                            head_dim, ", expected ", source->shape[0], " of width ", source->shape[1],
                            " as in sub-layer ", source->writer, ", whose values it mixes in"));
    }
    channel.read(kName, context.depth);
  }
  share_ = context.scope.declare(norms::scalar_spec("value_residual", start));
}

at::Tensor ValueResidual::first(const at::Tensor& joined, const SequenceContext& context) const {
  if (context.channel == nullptr) return {};
  if (leaves_own_) context.channel->put(kName, joined.narrow(2, joined.size(2) - heads_, heads_));
  return share_ ? context.channel->get(kName) : at::Tensor();
}

at::Tensor ValueResidual::mix(const at::Tensor& own, const at::Tensor& first) const {
  if (!first.defined()) return own;
  return own + share_.compute().to(own.scalar_type()) * (first - own);
}

}  // namespace ingot
