#include "nn/key_value_state.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

namespace ingot {

at::Tensor in_use(const MixerState& state, std::size_t index) {
  return state.tensors[index].narrow(1, 0, state.length);
}

bool is_full(const MixerState& state) { return state.length == state.tensors.front().size(1); }

void append_row(MixerState& state, const std::vector<at::Tensor>& rows) {
  constexpr std::int64_t kSpare = 64;
  if (is_full(state)) {
    for (at::Tensor& tensor : state.tensors) {
      const at::Tensor old = tensor.narrow(1, 0, state.length);
      std::vector<std::int64_t> shape = old.sizes().vec();
      shape[1] = 2 * state.length + kSpare;
      tensor = at::empty(shape, old.options());
      tensor.narrow(1, 0, state.length).copy_(old);
    }
  }
  for (std::size_t i = 0; i < rows.size(); ++i) state.tensors[i].narrow(1, state.length, 1).copy_(rows[i]);
  ++state.length;
}

void keep_rows(MixerState& state, std::int64_t front, std::int64_t last) {
  if (state.length <= front + last) return;
  for (std::size_t i = 0; i < state.tensors.size(); ++i) {
    const at::Tensor tail = in_use(state, i).narrow(1, state.length - last, last);
    state.tensors[i] = front > 0 ? at::cat({in_use(state, i).narrow(1, 0, front), tail}, 1) : tail;
  }
  state.length = front + last;
}

at::Tensor join_rows(const std::vector<at::Tensor>& parts) {
  if (parts.size() == 1) return parts.front();
  std::int64_t batch = 1;
  for (const at::Tensor& part : parts) batch = std::max(batch, part.size(0));
  std::vector<at::Tensor> expanded;
  for (const at::Tensor& part : parts) {
    std::vector<std::int64_t> shape = part.sizes().vec();
    shape.front() = batch;
    expanded.push_back(part.expand(shape));
  }
  return at::cat(expanded, 1);
}

}  // namespace ingot
