#include "params/masters.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

namespace ingot::testing {

std::unique_ptr<Parametrization> parametrization(const std::string& text) {
  const auto variant = read_variant<ParametrizationEntry>(text, weight_families(), "test");
  return variant.entry().make(variant.settings());
}

ParamInfo matrix_info(std::int64_t rows, std::int64_t columns, Role role) {
  ParamInfo info;
  info.name = "weight";
  info.shape = {rows, columns};
  info.roles = role;
  return info;
}

Parametrized::Parametrized(const std::string& text, const at::Tensor& weight)
    : p(parametrization(text)), info(matrix_info(weight.size(0), weight.size(1))), specs(p->masters(info)) {
  for (const auto& spec : specs) masters.push_back(at::zeros(spec.shape, at::kDouble));
  p->assign(weight, masters);
}

at::Tensor Parametrized::weight() const {
  at::Tensor out = at::empty(info.shape, at::kDouble);
  p->materialise(masters, out);
  return out;
}

std::vector<at::Tensor> Parametrized::pull_back(const at::Tensor& upstream) const {
  std::vector<at::Tensor> grads;
  for (std::size_t i = 0; i < masters.size(); ++i) {
    grads.push_back(specs[i].trained ? at::empty_like(masters[i]) : at::Tensor());
  }
  p->pull_back(masters, upstream, grads);
  return grads;
}

}  // namespace ingot::testing
