#include "train/step.h"

#include <ATen/ops/from_blob.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "objective/objective.h"

namespace ingot {

BatchTensors to_tensors(const Batch& batch, bool reset_at_document) {
  const auto tensor = [&](const std::vector<std::int32_t>& values) {
    auto* data = const_cast<std::int32_t*>(values.data());  // read only: `to` copies
    return at::from_blob(data, {batch.rows, batch.seq_len}, at::TensorOptions().dtype(at::kInt)).to(at::kLong);
  };
  BatchTensors out{tensor(batch.tokens), tensor(batch.targets), {}};
  if (reset_at_document) out.documents = tensor(batch.documents);
  return out;
}

void TrainStep::accumulate(const Batch& batch) {
  if (batch.target_count == 0) return;
  const auto tensors = to_tensors(batch, experiment_.config.data.reset_at_document);
  auto& model = *experiment_.model;
  const auto hidden = model.forward(tensors.tokens, tensors.documents, true);
  const auto loss = cross_entropy(hidden, model.head(), tensors.targets, experiment_.config.train.z_loss);
  torch::autograd::backward({loss.total}, {});
  loss_sum_ += loss.cross_entropy.item<double>();
  z_loss_sum_ += loss.z_loss.item<double>();
  targets_ += batch.target_count;
}

StepResult TrainStep::finish(std::int64_t update) {
  auto& store = *experiment_.store;
  auto& optimizer = *experiment_.optimizer;
  StepResult result;
  result.targets = targets_;
  if (targets_ > 0) {
    const double scale = 1.0 / static_cast<double>(targets_);
    result.loss = loss_sum_ * scale;
    result.z_loss = z_loss_sum_ * scale;
    store.pull_back();
    const auto measured = optimizer.measure(scale);
    result.grad_norm = measured.grad_norm;
    result.clip_factor = measured.clip_factor;
    result.applied = std::isfinite(result.loss) && std::isfinite(result.grad_norm);
    if (result.applied) {
      optimizer.step(update, scale * measured.clip_factor);
      store.constrain();
      store.advance();
      store.apply_buffers();
      store.materialise();
    }
  }
  store.zero_grads();
  loss_sum_ = z_loss_sum_ = 0;
  targets_ = 0;
  return result;
}

}  // namespace ingot
