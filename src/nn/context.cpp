#include "nn/context.h"

namespace ingot {

const at::Tensor& SequenceCache::get(const std::string& key, const std::function<at::Tensor()>& make) {
  const auto found = tensors_.find(key);
  if (found != tensors_.end()) return found->second;
  return tensors_.emplace(key, make()).first->second;
}

}  // namespace ingot
