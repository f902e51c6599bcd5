#include "nn/branch.h"

#include <algorithm>
#include <stdexcept>

namespace ingot {

std::unique_ptr<Norm> make_site_norm(const BranchContext& context, Site site, const std::string& name,
                                     std::int64_t width, std::int64_t heads) {
  return context.site_norm ? context.site_norm(site, context.scope.sub(name), width, heads) : nullptr;
}

const ChannelPlan::Value* ChannelPlan::find(const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? nullptr : &found->second;
}

void ChannelPlan::leave(const std::string& name, int depth, std::vector<std::int64_t> shape) {
  if (!values_.emplace(name, Value{depth, std::move(shape), {}}).second) {
    throw std::logic_error("two sub-layers leave '" + name + "'");
  }
}

void ChannelPlan::read(const std::string& name, int depth) {
  const auto found = values_.find(name);
  if (found == values_.end()) throw std::logic_error("no sub-layer leaves '" + name + "'");
  found->second.readers.push_back(depth);
}

std::vector<std::string> ChannelPlan::left_by(int depth) const {
  std::vector<std::string> names;
  for (const auto& [name, value] : values_) {
    if (value.writer == depth) names.push_back(name);
  }
  return names;
}

std::vector<std::string> ChannelPlan::read_by(int depth) const {
  std::vector<std::string> names;
  for (const auto& [name, value] : values_) {
    if (std::find(value.readers.begin(), value.readers.end(), depth) != value.readers.end()) names.push_back(name);
  }
  return names;
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
