#include "params/power_iteration.h"

#include <ATen/TensorOperators.h>

#include "config/fields.h"

namespace ingot::power_iteration {

namespace {

at::Tensor positive(const at::Tensor& x) { return x.masked_fill(x.eq(0), 1); }
at::Tensor unit(const at::Tensor& x) { return x / positive(x.norm()); }

}  // namespace

void iterate(const at::Tensor& w, at::Tensor& u, at::Tensor& v, std::int64_t times) {
  for (std::int64_t i = 0; i < times; ++i) {
    u.copy_(unit(w.mv(v)));
    v.copy_(unit(w.t().mv(u)));
  }
}

void start(const at::Tensor& w, at::Tensor& u, at::Tensor& v) {
  v.copy_(w[w.norm(2, 1).argmax()]);
  iterate(w, u, v, /*times=*/15);
}

at::Tensor sigma(const at::Tensor& w, const at::Tensor& u, const at::Tensor& v) { return positive(u.dot(w.mv(v))); }

void describe(Fields& f, Settings& c) {
  f.field("iterations", c.iterations, "power iterations in each step", Rule{}.at_least(1));
  f.field("embeddings", c.embeddings, "whether embedding and head are included");
}

std::vector<MasterSpec> OverSigma::masters(const ParamInfo& info) const {
  MasterSpec w{".w", info.shape};
  w.scale_free = true;
  return {w, {".u", {info.shape[0]}, /*trained=*/false}, {".v", {info.shape[1]}, /*trained=*/false}};
}

void OverSigma::advance(std::vector<at::Tensor>& masters) const {
  iterate(masters.front(), masters.end()[-2], masters.back(), settings_.iterations);
}

void OverSigma::assign(const at::Tensor& weight, std::vector<at::Tensor>& masters) const {
  masters.front().copy_(weight);
  start(weight, masters.end()[-2], masters.back());
}

at::Tensor OverSigma::sigma_of(const std::vector<at::Tensor>& masters) {
  return sigma(masters.front(), masters.end()[-2], masters.back());
}

}  // namespace ingot::power_iteration
