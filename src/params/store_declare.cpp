// ParameterStore: the declare phase, scopes and handles.

#include <algorithm>
#include <functional>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "config/limits.h"
#include "params/store_impl.h"

namespace ingot {

using params_detail::Declared;
using params_detail::Leaf;
using params_detail::LeafKind;
using params_detail::place_of;

std::int64_t params_detail::product(const std::vector<std::int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

std::int64_t params_detail::place_of(std::vector<std::string>& names, const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  const auto place = found - names.begin();
  if (found == names.end()) names.push_back(name);
  return place;
}

// -- handles

const ParamInfo& Param::info() const { return declared_->info; }

at::Tensor Param::compute() const {
  const Leaf& leaf = *declared_->leaf;
  if (leaf.parts.size() == 1) return leaf.weight;
  return leaf.weight.narrow(0, declared_->first_row, declared_->info.shape.at(0));
}

const at::Tensor& WeightLeaf::weight() const { return leaf_->weight; }
const at::Tensor& WeightLeaf::grad() const { return leaf_->grad; }
const std::vector<std::int64_t>& WeightLeaf::rows() const { return leaf_->rows; }
std::int64_t WeightLeaf::numel() const { return leaf_->numel; }

WeightLeaf::GradBuffer WeightLeaf::grad_buffer() const {
  return leaf_->kind == LeafKind::kMaterialised ? GradBuffer::kWeights : GradBuffer::kMasters;
}

std::int64_t WeightLeaf::grad_offset() const {
  return leaf_->kind == LeafKind::kMaterialised ? leaf_->grad_offset : leaf_->master_offset;
}

// -- scopes

ParamScope ParamScope::sub(const std::string& name) const {
  ParamScope scope = *this;
  scope.prefix_ = full_name(name);
  return scope;
}

ParamScope ParamScope::at(int depth, const std::string& op) const {
  ParamScope scope = *this;
  scope.depth_ = depth;
  scope.op_ = op;
  return scope;
}

std::string ParamScope::full_name(const std::string& name) const {
  return prefix_.empty() ? name : prefix_ + "." + name;
}

ParamInfo ParamScope::make_info(const ParamSpec& spec) const {
  ParamInfo info;
  info.name = full_name(spec.name);
  info.shape = spec.shape;
  info.roles = spec.roles;
  info.part = spec.part;
  info.op = op_;
  info.depth = depth_;
  info.hidden_axis = spec.hidden_axis;
  info.fan_in = spec.fan_in;
  info.fan_out = spec.fan_out;
  info.head_rows = spec.head_rows;
  info.fixed_init = spec.fixed_init;
  info.fixed_init_name = spec.fixed_init_name;
  return info;
}

Param ParamScope::declare(const ParamSpec& spec) const { return store_->declare(make_info(spec)); }

std::vector<Param> ParamScope::declare_joined(const std::vector<ParamSpec>& specs) const {
  std::vector<ParamInfo> infos;
  for (const auto& spec : specs) infos.push_back(make_info(spec));
  return store_->declare_joined(std::move(infos));
}

Buffer ParamScope::declare_buffer(const BufferSpec& spec) const {
  return store_->declare_buffer(full_name(spec.name), spec);
}

LossTerm ParamScope::declare_loss(const std::string& name) const { return store_->declare_loss(name); }

WeightLeaf ParamScope::leaf_of(const Param& param) const { return store_->leaf_of(param); }

// -- the store

ParameterStore::ParameterStore() : impl_(std::make_unique<Impl>()) {}
ParameterStore::~ParameterStore() = default;

void ParameterStore::Impl::add_name(const std::string& name) {
  if (!names.insert(name).second) throw std::logic_error("two parameters are named '" + name + "'");
}

void ParameterStore::Impl::check_declaring() const {
  if (laid_out) throw std::logic_error("parameters cannot be declared after layout");
}

namespace {

/// Fills in what follows from the shape, and refuses what cannot be.
void complete(ParamInfo& info) {
  const auto bad = [&](const char* what) { throw std::logic_error("parameter '" + info.name + "': " + what); };
  if (info.name.empty()) bad("it has no name");
  if (info.shape.empty()) bad("it has no axes");
  for (const auto size : info.shape) {
    if (size <= 0) bad("an axis is empty");
  }
  if (info.hidden_axis < -1 || info.hidden_axis >= static_cast<int>(info.shape.size())) bad("no such hidden axis");
  double values = 1;  // as a double: more than 64 bits hold is the mistake looked for
  for (const auto size : info.shape) values *= static_cast<double>(size);
  if (values > static_cast<double>(limits::kParameters)) {
    throw ConfigError(cat("'", info.name, "' would have ", format_count(values), " values, expected ",
                          format_count(static_cast<double>(limits::kParameters)), " at most"));
  }
  const std::int64_t rows = info.shape[0];
  if (info.fan_in == 0) info.fan_in = info.shape.size() > 1 ? info.numel() / rows : rows;
  if (info.fan_out == 0) info.fan_out = rows;
}

}  // namespace

Param ParameterStore::declare(ParamInfo info) {
  std::vector<ParamInfo> one;
  one.push_back(std::move(info));
  return declare_joined(std::move(one)).front();
}

std::vector<Param> ParameterStore::declare_joined(std::vector<ParamInfo> infos) {
  impl_->check_declaring();
  if (infos.empty()) throw std::logic_error("a joined leaf needs at least one part");
  Leaf& leaf = impl_->leaves.emplace_back();
  std::vector<Param> handles;
  std::int64_t rows = 0;
  for (auto& info : infos) {
    complete(info);
    impl_->add_name(info.name);
    Declared& param = impl_->params.emplace_back();
    param.info = std::move(info);
    param.leaf = &leaf;
    param.first_row = rows;
    rows += param.info.shape[0];
    leaf.parts.push_back(&param);
    leaf.rows.push_back(param.info.shape[0]);
    leaf.numel += param.info.numel();
    impl_->declared_numel += param.info.numel();
    if (impl_->declared_numel > limits::kParameters) {
      throw ConfigError(cat("the model has more than ", format_count(static_cast<double>(limits::kParameters)),
                            " parameters at '", param.info.name, "'"));
    }
    handles.push_back(Param(&param));
    const ParamInfo& first = leaf.parts.front()->info;
    if (!std::equal(first.shape.begin() + 1, first.shape.end(), param.info.shape.begin() + 1, param.info.shape.end()) ||
        first.keeps_master_dtype() != param.info.keeps_master_dtype()) {
      throw std::logic_error("'" + first.name + "' and '" + param.info.name + "' cannot share a leaf");
    }
  }
  leaf.shape = leaf.parts.front()->info.shape;
  leaf.shape[0] = rows;
  return handles;
}

Buffer ParameterStore::declare_buffer(const std::string& name, const BufferSpec& spec) {
  impl_->check_declaring();
  impl_->add_name(name);
  auto& buffer = impl_->buffers.emplace_back();
  buffer.name = name;
  buffer.spec = spec;
  return Buffer(&buffer.value, &buffer.accumulator);
}

LossTerm ParameterStore::declare_loss(const std::string& name) {
  impl_->check_declaring();
  return {place_of(impl_->losses, name)};
}

const std::vector<std::string>& ParameterStore::losses() const { return impl_->losses; }

WeightLeaf ParameterStore::leaf_of(const Param& param) const { return WeightLeaf(param.declared_->leaf); }

std::vector<WeightLeaf> ParameterStore::leaves() const {
  std::vector<WeightLeaf> out;
  for (const auto& leaf : impl_->leaves) out.push_back(WeightLeaf(&leaf));
  return out;
}

std::int64_t ParameterStore::num_parameters() const {
  std::int64_t n = 0;
  for (const auto& param : impl_->params) n += param.info.numel();
  return n;
}

std::vector<const ParamInfo*> ParameterStore::parameters() const {
  std::vector<const ParamInfo*> out;
  for (const auto& param : impl_->params) out.push_back(&param.info);
  return out;
}

}  // namespace ingot
