#include "params/param_info.h"

#include <ATen/core/Tensor.h>

#include <functional>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/random.h"
#include "base/text.h"

namespace ingot {

namespace {

/// Calls `next` for every element in row-major order.
template <class F>
void fill_elements(at::Tensor& weight, F next) {
  const std::int64_t n = weight.numel();
  if (weight.scalar_type() == at::kDouble) {
    double* data = weight.mutable_data_ptr<double>();
    for (std::int64_t i = 0; i < n; ++i) data[i] = next();
  } else {
    float* data = weight.mutable_data_ptr<float>();
    for (std::int64_t i = 0; i < n; ++i) data[i] = static_cast<float>(next());
  }
}

}  // namespace

RoleSet::RoleSet(std::initializer_list<Role> roles) {
  for (const Role role : roles) bits_ |= static_cast<std::uint32_t>(role);
}

const std::vector<std::string>& role_names() {
  static const std::vector<std::string> names = {"embedding", "head", "reads_stream", "writes_stream",
                                                 "inner",     "conv", "gain",         "bias",
                                                 "scalar",    "meta", "position"};
  return names;
}

Role role_from_name(const std::string& name) {
  const auto& names = role_names();
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return static_cast<Role>(1u << i);
  }
  throw ConfigError(
      cat("no role is named '", name, "', expected one of ", join(names, ", "), did_you_mean(name, names)));
}

std::vector<std::string> RoleSet::names() const {
  std::vector<std::string> out;
  for (const auto& name : role_names()) {
    if (has(role_from_name(name))) out.push_back(name);
  }
  return out;
}

RoleSet matrix_roles() {
  return {Role::kEmbedding, Role::kHead, Role::kReadsStream, Role::kWritesStream, Role::kInner};
}

Granularity coarser(Granularity a, Granularity b) {
  if (a == b || b == Granularity::kElement) return a;
  if (a == Granularity::kElement) return b;
  return Granularity::kMatrix;
}

std::int64_t ParamInfo::numel() const {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

bool is_weight_matrix(const ParamInfo& info, bool embeddings) {
  if (info.shape.size() != 2 || !info.roles.any(matrix_roles())) return false;
  return embeddings || !info.roles.any({Role::kEmbedding, Role::kHead});
}

bool is_mixing_matrix(const ParamInfo& info) { return is_weight_matrix(info) && info.head_rows != 1; }

InitFunction constant_init(double value) {
  return [value](at::Tensor& weight, const ParamInfo&, RandomStream&) { weight.fill_(value); };
}

InitFunction uniform_init(double low, double high) {
  return [low, high](at::Tensor& weight, const ParamInfo&, RandomStream& random) {
    fill_elements(weight, [&] { return random.uniform(low, high); });
  };
}

InitFunction normal_init(double std) {
  return [std](at::Tensor& weight, const ParamInfo&, RandomStream& random) {
    fill_elements(weight, [&] { return std * random.normal(); });
  };
}

}  // namespace ingot
