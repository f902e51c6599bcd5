#include "nn/branch.h"

namespace ingot {

MixerState Mixer::expand_state(const MixerState& state, std::int64_t batch) const {
  MixerState result;
  result.length = state.length;
  for (const at::Tensor& tensor : state.tensors) {
    std::vector<std::int64_t> shape = tensor.sizes().vec();
    shape.front() = batch;
    result.tensors.push_back(tensor.expand(shape).clone(at::MemoryFormat::Contiguous));
  }
  return result;
}

}  // namespace ingot
