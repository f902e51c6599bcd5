// Updates of the optimizers on one flat run of weights, the size of a transformer layer.

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include "base/text.h"
#include "device/gpu.h"
#include "optim/optimizer.h"
#include "registry/variant_text.h"
#include "study/bench_operation.h"
#include "study/bench_stats.h"

namespace ingot {
namespace {

constexpr std::int64_t kCheckElements = 10007;  // no multiple of a vector width

/// One parameter [n] with its state.
class FlatWeights {
 public:
  FlatWeights(std::unique_ptr<Optimizer> optimizer, std::int64_t n, const at::TensorOptions& options)
      : optimizer_(std::move(optimizer)) {
    info_.name = "weight";
    info_.shape = {n};
    master_.param = &info_;
    master_.name = info_.name;
    master_.shape = info_.shape;
    master_.numel = n;
    master_.value = random_normal({n}, 1).to(options.device(), at::kFloat);
    master_.grad = random_normal({n}, 2).to(options.device(), at::kFloat);
    Slot slot;
    slot.master = &master_;
    slot.lr = 1e-3;
    slot.weight_decay = 0.1;
    for (const auto& spec : optimizer_->state_specs()) {
      slot.states.push_back(at::zeros(spec.shape ? spec.shape(master_) : master_.shape, master_.value.options()));
    }
    slots_ = {slot};
  }
  FlatWeights(const FlatWeights&) = delete;
  FlatWeights& operator=(const FlatWeights&) = delete;

  void update() { optimizer_->step(slots_, {++updates_, 0.5}); }
  const at::Tensor& value() const { return master_.value; }
  /// Weights and states are read and written, gradients read.
  double bytes() const {
    double bytes = 2 * static_cast<double>(master_.value.nbytes()) + static_cast<double>(master_.grad.nbytes());
    for (const auto& state : slots_.front().states) bytes += 2 * static_cast<double>(state.nbytes());
    return bytes;
  }

 private:
  std::unique_ptr<Optimizer> optimizer_;
  ParamInfo info_;
  Master master_;
  std::vector<Slot> slots_;
  std::int64_t updates_ = 0;
};

Operation update_of(const Variant<OptimizerEntry>& optimizer) {
  Operation out;
  out.family = OptimizerEntry::kFamily;
  out.name = optimizer.name();
  out.check = [optimizer](const BenchSizes& sizes) -> std::string {
    const auto& entry = optimizer.entry();
    if (!entry.make_plain) return "";  // it is in plain operations itself
    const at::TensorOptions options = at::TensorOptions().device(sizes.device);
    FlatWeights kernels(entry.make(optimizer.settings()), kCheckElements, options);
    FlatWeights plain(entry.make_plain(optimizer.settings()), kCheckElements, options);
    for (int i = 0; i < 3; ++i) {
      kernels.update();
      plain.update();
    }
    const auto result = compare(kernels.value(), plain.value(), Tolerance::of(at::kFloat).chain(3));
    return result.agrees ? "" : cat("three updates: ", result.message);
  };
  out.workload = [optimizer](const BenchSizes& sizes) {
    const auto weights =
        std::make_shared<FlatWeights>(optimizer.entry().make(optimizer.settings()), 12 * sizes.d_model * sizes.d_model,
                                      at::TensorOptions().device(sizes.device));
    Workload work;
    work.parts = {"update"};
    work.bytes = weights->bytes();
    work.run = [weights, on_gpu = sizes.device.is_cuda()] {
      const double start = seconds_now();
      weights->update();
      if (on_gpu) gpu_synchronize();
      return std::vector<double>{seconds_now() - start};
    };
    return work;
  };
  return out;
}

}  // namespace

std::vector<Operation> optimizer_operations(const Families& families) {
  std::vector<Operation> out;
  if (families.find(OptimizerEntry::kFamily) == nullptr) return out;
  for (const auto& name : families.get<OptimizerEntry>().names()) {
    out.push_back(update_of(read_variant<OptimizerEntry>(cat("{type: ", name, "}"), families, "defaults")));
  }
  return out;
}

}  // namespace ingot
