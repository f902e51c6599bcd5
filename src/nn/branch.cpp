#include "nn/branch.h"

namespace ingot {

std::unique_ptr<Norm> make_site_norm(const BranchContext& context, Site site, const std::string& name,
                                     std::int64_t width, std::int64_t heads) {
  return context.site_norm ? context.site_norm(site, context.scope.sub(name), width, heads) : nullptr;
}

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
