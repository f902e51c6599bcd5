#include "ops/chunk/documents.h"

#include <ATen/ExpandUtils.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/searchsorted.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

namespace ingot::ops {

at::Tensor document_origin(const at::Tensor& document, bool continues) {
  const at::Tensor rows = document.contiguous();
  const at::Tensor first = at::searchsorted(rows, rows);
  return continues ? at::where(rows == 0, -1, first) : first;
}

at::Tensor start_state(const at::Tensor& state, at::IntArrayRef shape, const at::TensorOptions& options) {
  return state.defined() ? state.to(options.dtype()).expand(shape) : at::zeros(shape, options);
}

at::Tensor start_state_gradient(const at::Tensor& gradient, const at::Tensor& state) {
  if (!gradient.defined() || !state.defined()) return {};
  return at::sum_to(gradient, state.sizes()).to(state.scalar_type());
}

DocumentChunks document_chunks(const at::Tensor& origin, std::int64_t chunk) {
  const std::int64_t batch = origin.size(0), length = origin.size(1), chunks = num_chunks(length, chunk);
  const std::int64_t fill = chunks * chunk - length;
  at::Tensor rows = origin;
  // Rows that fill up the last chunk belong to its last document.
  if (fill > 0) rows = at::cat({rows, rows.narrow(1, length - 1, 1).expand({batch, fill})}, 1);
  rows = rows.reshape({batch, chunks, chunk});
  const at::Tensor begin = (at::arange(chunks, origin.options()) * chunk).view({1, chunks, 1});
  DocumentChunks out;
  out.carried = rows < begin;
  out.last = rows == rows.narrow(2, chunk - 1, 1);
  out.visible = (rows.unsqueeze(3) == rows.unsqueeze(2)).tril();
  out.start = (rows - begin).clamp_min(0);
  return out;
}

at::Tensor to_chunks(const at::Tensor& x, std::int64_t chunk) {
  const std::int64_t length = x.size(1), chunks = num_chunks(length, chunk), fill = chunks * chunk - length;
  std::vector<std::int64_t> shape = x.sizes().vec();
  at::Tensor full = x;
  if (fill > 0) {
    shape[1] = fill;
    full = at::cat({x, at::zeros(shape, x.options())}, 1);
  }
  shape[1] = chunk;
  shape.insert(shape.begin() + 1, chunks);
  return full.reshape(shape);
}

at::Tensor from_chunks(const at::Tensor& x, std::int64_t length) { return x.flatten(1, 2).narrow(1, 0, length); }

}  // namespace ingot::ops
