// Updates of the optimizers on one flat run of weights, the size of a transformer layer.

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include "base/text.h"
#include "bench/operation.h"
#include "bench/stats.h"
#include "device/gpu.h"
#include "optim/optimizer.h"
#include "registry/variant_text.h"

namespace ingot {
namespace {

constexpr std::int64_t kCheckElements = 10007;  // no multiple of a vector width

/// One parameter [n] with its state.
class FlatWeights {
 public:
  FlatWeights(const Variant<OptimizerEntry>& optimizer, std::int64_t n, const at::TensorOptions& options)
      : settings_(optimizer.settings().clone()), optimizer_(optimizer.entry().make(*settings_)) {
    info_.name = "weight";
    info_.shape = {n};
    master_.param = &info_;
    master_.name = info_.name;
    master_.shape = info_.shape;
    master_.numel = n;
    master_.value = random_normal({n}, 1, at::kFloat).to(options);
    master_.grad = random_normal({n}, 2, at::kFloat).to(options);
    Slot slot;
    slot.master = &master_;
    slot.lr = 1e-3;
    slot.weight_decay = 0.1;
    for (const auto& spec : optimizer_->state_specs()) {
      const auto state_options = spec.dtype ? options.dtype(*spec.dtype) : options;
      slot.states.push_back(at::zeros(spec.shape ? spec.shape(master_) : master_.shape, state_options));
      if (spec.start) spec.start(slot.states.back(), master_);
    }
    if (!optimizer_->is_fused()) slot.direction = at::zeros({n}, options);
    slots_ = {slot};
  }
  FlatWeights(const FlatWeights&) = delete;
  FlatWeights& operator=(const FlatWeights&) = delete;

  void update() {
    UpdateContext context;
    context.update = ++updates_;
    context.grad_scale = 0.5;
    optimizer_->step(slots_, context);
  }
  const at::Tensor& value() const { return master_.value; }
  /// Weights and states are read and written, gradients read.
  double bytes() const {
    double bytes = 2 * static_cast<double>(master_.value.nbytes()) + static_cast<double>(master_.grad.nbytes());
    for (const auto& state : slots_.front().states) bytes += 2 * static_cast<double>(state.nbytes());
    return bytes;
  }

 private:
  std::unique_ptr<ConfigObject> settings_;
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
    FlatWeights single(optimizer, kCheckElements, at::TensorOptions(at::kFloat).device(sizes.device));
    FlatWeights wide(optimizer, kCheckElements, at::TensorOptions(at::kDouble));
    for (int i = 0; i < 3; ++i) {
      single.update();
      wide.update();
    }
    const auto result = compare(single.value().cpu(), wide.value(), Tolerance::of(at::kFloat).chain(3));
    return result.agrees ? "" : cat("three updates: ", result.message);
  };
  out.workload = [optimizer](const BenchSizes& sizes) {
    const auto weights = std::make_shared<FlatWeights>(optimizer, 12 * sizes.d_model * sizes.d_model,
                                                       at::TensorOptions(at::kFloat).device(sizes.device));
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
