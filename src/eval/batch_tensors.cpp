#include "eval/batch_tensors.h"

#include <ATen/ops/from_blob.h>

#include <vector>

namespace ingot {

BatchTensors to_tensors(const Batch& batch, bool reset_at_document, at::Device device) {
  const auto tensor = [&](const std::vector<std::int32_t>& values) {
    auto* data = const_cast<std::int32_t*>(values.data());  // read only: `to` copies
    const auto host = at::from_blob(data, {batch.rows, batch.seq_len}, at::TensorOptions().dtype(at::kInt));
    // From pinned memory the copy is queued: the host does not wait for the work before it.
    return device.is_cpu() ? host.to(at::kLong) : host.pin_memory().to(device, /*non_blocking=*/true).to(at::kLong);
  };
  BatchTensors out{tensor(batch.tokens), tensor(batch.targets), {}};
  if (reset_at_document) out.documents = tensor(batch.documents);
  return out;
}

}  // namespace ingot
