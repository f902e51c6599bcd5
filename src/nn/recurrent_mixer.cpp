#include "nn/recurrent_mixer.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

#include <utility>

#include "nn/documents.h"
#include "ops/kernel_types.h"
#include "ops/short_conv/short_conv.h"

namespace ingot {

RecurrentMixer::RecurrentMixer(const BranchContext& context, RecurrentParts parts)
    : parts_(std::move(parts)),
      d_model_(context.d_model),
      recompute_(context.recompute == Recompute::kSelective),
      in_(context, parts_.projections) {
  if (!parts_.conv) return;
  conv_ = context.scope.leaf_of(context.scope.declare_joined(parts_.conv->weights).front());
  if (parts_.conv->bias) conv_bias_ = context.scope.declare(*parts_.conv->bias);
}

void RecurrentMixer::declare_output(const BranchContext& context, const std::string& name) {
  out_name_ = name;
  head_norm_ = make_site_norm(context, Site::kHead, "head_norm", parts_.head_dim, parts_.heads);
  out_ = Linear(context, writes_stream_spec(name + ".weight", name, d_model_, parts_.heads * parts_.head_dim));
}

std::int64_t RecurrentMixer::conv_channels() const {
  std::int64_t channels = 0;
  for (const ParamSpec& weight : parts_.conv->weights) channels += weight.shape[0];
  return channels;
}

at::Tensor RecurrentMixer::forward(const at::Tensor& x, const SequenceContext& context, const StateFlow& states) const {
  const std::size_t matrix = parts_.conv ? 1 : 0;  // its place in the state
  const StartTensors tails = parts_.conv ? start_tensors(context, states, 0) : StartTensors{};
  const StartTensors matrices = start_tensors(context, states, matrix);
  RecurrentDocuments documents{origin_of(context, states), {}};
  if (parts_.chunk > 0) documents.chunks = chunks_of(context, states, parts_.chunk);
  const auto core = [this, documents, final = states.final](const std::vector<at::Tensor>& in) {
    const ops::RecurrentStates tail_starts{in[1], in[2]}, matrix_starts{in[3], in[4]};
    const Split rows = split(in[0], tail_starts, documents.origin);
    at::Tensor last;
    const at::Tensor y = mix(rows.parts, [&](const Tokens& tokens) {
      const ops::Recurrence out = parallel(tokens, matrix_starts, documents);
      last = out.state;
      return out.y;
    });
    if (final != nullptr) {
      *final = {};
      if (parts_.conv) {
        final->tensors.push_back(ops::short_conv_tail(rows.conv_input, taps(), {in[1], in[2]}, documents.origin));
      }
      final->tensors.push_back(last);
    }
    return normed_heads(y);
  };
  return out_.forward(core, {in_.forward_joined(x), tails.incoming, tails.fresh, matrices.incoming, matrices.fresh},
                      recompute_ && states.final == nullptr);
}

at::Tensor RecurrentMixer::step(const at::Tensor& x, const SequenceContext& /*context*/, MixerState& state) const {
  const at::Tensor tail = parts_.conv ? state.tensors.front() : at::Tensor();
  const Split rows = split(in_.forward_joined(x), {tail, {}}, {});
  if (parts_.conv) {
    state.tensors.front() = at::cat({tail.narrow(1, 1, tail.size(1) - 1), rows.conv_input}, 1);
  }
  const auto token = [](const at::Tensor& t) { return t.defined() ? t.select(1, 0) : t; };
  const at::Tensor y = mix(rows.parts, [&](const Tokens& t) {
    const Tokens one{token(t.q), token(t.k), token(t.v), token(t.log_decay), token(t.beta)};
    return advance(one, state.tensors.back()).unsqueeze(1);
  });
  return out_.forward(normed_heads(y));
}

at::Tensor RecurrentMixer::advance(const Tokens& token, const at::Tensor& state) const {
  return ops::state_step(token, state);
}

RecurrentMixer::Split RecurrentMixer::split(const at::Tensor& projected, const ops::RecurrentStates& tails,
                                            const at::Tensor& origin) const {
  std::vector<std::int64_t> widths, inside;  // of the product's parts, and of those within the convolution
  for (std::size_t i = 0; i < parts_.projections.size(); ++i) {
    const std::int64_t rows = parts_.projections[i].shape[0];
    if (!parts_.conv || i < parts_.conv->first || i >= parts_.conv->first + parts_.conv->count) {
      widths.push_back(rows);
      continue;
    }
    if (inside.empty()) widths.push_back(conv_channels());
    inside.push_back(rows);
  }
  Split result{projected.split_with_sizes(widths, -1), {}};
  if (!parts_.conv) return result;
  const auto place = result.parts.begin() + static_cast<std::ptrdiff_t>(parts_.conv->first);
  result.conv_input = *place;
  const at::Tensor bias = conv_bias_ ? conv_bias_->compute() : at::Tensor();
  const at::Tensor mixed =
      ops::short_conv(result.conv_input, conv_.weight(), bias, {tails.incoming, tails.fresh}, origin, /*silu=*/true);
  const std::vector<at::Tensor> parts = mixed.split_with_sizes(inside, -1);
  result.parts.insert(result.parts.erase(place), parts.begin(), parts.end());
  return result;
}

/// y [B, T, H · head_dim], each head through the norm of the site.
at::Tensor RecurrentMixer::normed_heads(const at::Tensor& y) const {
  return head_norm_ ? head_norm_->forward(by_head(y, parts_.head_dim)).flatten(2) : y;
}

MixerState RecurrentMixer::make_state(std::int64_t batch) const {
  const at::TensorOptions options = in_.weight().options().requires_grad(false);
  const at::ScalarType wide = ops::wide_type(in_.weight().scalar_type());
  MixerState state;
  if (parts_.conv) state.tensors.push_back(at::zeros({batch, taps() - 1, conv_channels()}, options));
  state.tensors.push_back(at::zeros({batch, parts_.heads, parts_.state_rows, parts_.head_dim}, options.dtype(wide)));
  return state;
}

std::int64_t RecurrentMixer::state_bytes(std::int64_t /*length*/, int element_bytes) const {
  const std::int64_t tail = parts_.conv ? (taps() - 1) * conv_channels() * element_bytes : 0;
  return tail + 4 * parts_.heads * parts_.state_rows * parts_.head_dim;
}

std::vector<FlopItem> RecurrentMixer::flops(std::int64_t /*seq_len*/, std::int64_t /*prefix*/) const {
  const auto product = [&](std::int64_t width) {
    return 2 * static_cast<double>(d_model_) * static_cast<double>(width);
  };
  std::vector<FlopItem> items;
  for (const ParamSpec& projection : parts_.projections)
    items.push_back({projection.part, product(projection.shape[0])});
  if (parts_.conv) items.push_back({"conv", 2 * static_cast<double>(conv_channels() * taps())});
  for (FlopItem& item : recurrence_flops()) items.push_back(std::move(item));
  items.push_back({out_name_, product(parts_.heads * parts_.head_dim)});
  return items;
}

}  // namespace ingot
