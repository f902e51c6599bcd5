#include "nn/standalone.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>

#include <cmath>

#include "device/numerics.h"
#include "params/weights_config.h"

namespace ingot {

StandaloneStore::StandaloneStore(const Families& families, at::ScalarType dtype,
                                 const std::function<void(const ParamScope&)>& declare, at::Device device) {
  declare(ParamScope(store_).sub("m"));
  WeightsConfig config;
  config.parametrization = make_variant<ParametrizationEntry>(families, "plain");
  config.init = make_variant<InitEntry>(families, "normal");
  StoreOptions options;
  options.compute_dtype = dtype;
  options.master_dtype = dtype == at::kDouble ? at::kDouble : at::kFloat;
  options.device = device;
  store_.layout(config, 1, options);
  store_.allocate();
  store_.initialise(1);
  fill(dtype);
}

void StandaloneStore::fill(at::ScalarType dtype) {
  const at::NoGradGuard no_grad;
  std::uint64_t seed = 100;
  for (const Master& master : store_.masters()) {
    const bool matrix = master.param->roles.any(matrix_roles());
    const double scale = matrix ? 1 / std::sqrt(static_cast<double>(master.shape.back())) : 0.2;
    at::Tensor value = random_normal(master.shape, ++seed) * scale;
    if (!matrix) value = value + master.value.cpu();
    master.value.copy_(value.to(dtype));
  }
  store_.materialise();
}

ParamMap StandaloneStore::params() const {
  ParamMap map;
  for (const Master& master : store_.masters()) {
    map[master.name.substr(2)] = master.value.detach().to(at::kDouble).clone();
  }
  return map;
}

BranchContext standalone_branch(const Families& families, const ParamScope& scope, std::int64_t d_model,
                                std::int64_t max_length) {
  return {scope, d_model, max_length, 0, 1, {}, Recompute::kNone, &families, {}};
}

SequenceContext plain_context(std::int64_t batch, std::int64_t length, std::int64_t first, std::int64_t prefix,
                              at::Device device) {
  SequenceContext context;
  context.batch = batch;
  context.seq_len = length;
  context.prefix = prefix;
  const auto index = at::arange(first, first + length, at::TensorOptions(at::kLong).device(device));
  context.position = index.unsqueeze(0).expand({batch, length});
  return context;
}

}  // namespace ingot
