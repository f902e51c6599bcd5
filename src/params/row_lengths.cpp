#include "params/row_lengths.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/sum.h>

#include <utility>

namespace ingot::row_lengths {

namespace {

/// Sum over the elements of each row [out, 1], or of the matrix [1, 1].
at::Tensor sum(const at::Tensor& x, Unit unit) { return unit == Unit::kRow ? x.sum(1, true) : x.sum().view({1, 1}); }

/// weight <- v · scale, rounded once.
void scale_into(at::Tensor& weight, const at::Tensor& v, const at::Tensor& scale) {
  if (weight.scalar_type() == v.scalar_type()) {
    at::mul_out(weight, v, scale);
  } else {
    weight.copy_(at::mul(v, scale));
  }
}

}  // namespace

at::Tensor of(const at::Tensor& v, Unit unit) {
  return unit == Unit::kRow ? at::linalg_vector_norm(v, 2, at::IntArrayRef{1}, true)
                            : at::linalg_vector_norm(v).view({1, 1});
}

at::Tensor guarded(const at::Tensor& v, Unit unit) {
  at::Tensor norm = of(v, unit);
  return norm.masked_fill_(norm.eq(0), 1);
}

LengthAndDirection::LengthAndDirection(Unit unit, bool embeddings, std::string length, std::string direction)
    : unit_(unit), embeddings_(embeddings), length_(std::move(length)), direction_(std::move(direction)) {}

std::vector<MasterSpec> LengthAndDirection::masters(const ParamInfo& info) const {
  MasterSpec length{length_, {unit_ == Unit::kRow ? info.shape[0] : 1}}, direction{direction_, info.shape};
  direction.decays = false;
  direction.scale_free = true;
  return {length, direction};
}

Granularity LengthAndDirection::granularity(const ParamInfo& /*info*/) const {
  return unit_ == Unit::kRow ? Granularity::kRow : Granularity::kMatrix;
}

void LengthAndDirection::materialise(const std::vector<at::Tensor>& masters, at::Tensor& weight) const {
  const at::Tensor& v = masters.at(1);
  scale_into(weight, v, masters.at(0).unsqueeze(1) / guarded(v, unit_));
}

void LengthAndDirection::pull_back(const std::vector<at::Tensor>& masters, const at::Tensor& weight_grad,
                                   std::vector<at::Tensor>& master_grads) const {
  const at::Tensor& v = masters.at(1);
  const at::Tensor norm = guarded(v, unit_);
  const at::Tensor dg = sum(weight_grad.mul(v), unit_) / norm;
  const at::Tensor scale = masters.at(0).unsqueeze(1) / norm;
  master_grads.at(0).copy_(dg.flatten());
  at::Tensor& dv = master_grads.at(1);
  dv.copy_(v).mul_(-dg / norm).add_(weight_grad).mul_(scale);
}

void LengthAndDirection::assign(const at::Tensor& weight, std::vector<at::Tensor>& masters) const {
  masters.at(0).copy_(of(weight, unit_).flatten());
  masters.at(1).copy_(weight);
}

std::vector<MasterSpec> FixedLength::masters(const ParamInfo& info) const {
  MasterSpec w{".w", info.shape};
  w.scale_free = true;
  return {w};
}

void FixedLength::materialise(const std::vector<at::Tensor>& masters, at::Tensor& weight) const {
  const at::Tensor& w = masters.at(0);
  scale_into(weight, w, length_ / guarded(w, Unit::kRow));
}

void FixedLength::pull_back(const std::vector<at::Tensor>& masters, const at::Tensor& weight_grad,
                            std::vector<at::Tensor>& master_grads) const {
  const at::Tensor& w = masters.at(0);
  const at::Tensor norm = guarded(w, Unit::kRow);
  at::Tensor& dw = master_grads.at(0);
  if (detaches_) {
    dw.copy_(weight_grad);
  } else {
    dw.copy_(w).mul_(-sum(weight_grad.mul(w), Unit::kRow) / norm.square()).add_(weight_grad);
  }
  dw.mul_(length_ / norm);
}

void FixedLength::assign(const at::Tensor& weight, std::vector<at::Tensor>& masters) const {
  masters.at(0).copy_(weight);
}

}  // namespace ingot::row_lengths
