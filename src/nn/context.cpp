#include "nn/context.h"

#include "nn/auxiliary_losses.h"

namespace ingot {

const at::Tensor& SequenceCache::get(const std::string& key, const std::function<at::Tensor()>& make) {
  const auto found = tensors_.find(key);
  if (found != tensors_.end()) return found->second;
  return tensors_.emplace(key, make()).first->second;
}

at::Tensor Channel::get(const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? at::Tensor() : found->second;
}

at::Tensor SequenceContext::add_loss(const at::Tensor& x, const LossTerm& term, double weight,
                                     const at::Tensor& sum) const {
  return losses == nullptr ? x : losses->attach(x, term, weight, sum, counts());
}

at::Tensor SequenceContext::add_mean_loss(const at::Tensor& x, const LossTerm& term, double weight,
                                          const at::Tensor& mean) const {
  if (losses == nullptr) return x;
  return losses->attach(x, term, weight, mean * static_cast<double>(losses->target_tokens()), counts());
}

}  // namespace ingot
