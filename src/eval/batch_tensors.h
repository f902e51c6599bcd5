#pragma once
// A batch where the model is.

#include <ATen/core/Tensor.h>

#include "data/sampling/batch.h"

namespace ingot {

/// Rows of a batch as int64 tensors on `device`; `documents` is undefined unless rows may hold several.
struct BatchTensors {
  at::Tensor tokens, targets, documents;
};
BatchTensors to_tensors(const Batch& batch, bool reset_at_document, at::Device device = at::kCPU);

}  // namespace ingot
