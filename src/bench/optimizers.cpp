// Updates of the optimizers on the matrices and gains of a transformer's layers.

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <c10/util/accumulate.h>

#include <algorithm>
#include <deque>

#include "base/text.h"
#include "bench/operation.h"
#include "bench/stats.h"
#include "device/gpu.h"
#include "optim/optimizer.h"
#include "registry/variant_text.h"

namespace ingot {
namespace {

using Shapes = std::vector<std::vector<std::int64_t>>;

constexpr std::int64_t kUpdatesOfRun = 10'000;  // for optimizers whose settings are shares of a run

/// q, k, v, o, an ffn of four times the width, and two gains.
void add_layer(std::int64_t width, Shapes& shapes) {
  for (int i = 0; i < 4; ++i) shapes.push_back({width, width});
  shapes.insert(shapes.end(), {{4 * width, width}, {width, 4 * width}, {width}, {width}});
}

/// As many layers as come nearest to `parameters`.
Shapes layers(std::int64_t width, std::int64_t parameters) {
  Shapes shapes;
  const auto of_layer = 12 * width * width + 2 * width;
  for (std::int64_t i = std::max<std::int64_t>(1, (parameters + of_layer / 2) / of_layer); i > 0; --i) {
    add_layer(width, shapes);
  }
  return shapes;
}

/// Parameters in flat buffers with their states, as a group of the engine has them.
class Weights {
 public:
  Weights(const Variant<OptimizerEntry>& optimizer, const Shapes& shapes, const at::TensorOptions& options)
      : settings_(optimizer.settings().clone()), optimizer_(optimizer.entry().make(*settings_)) {
    for (const auto& shape : shapes) declare(shape, optimizer.entry());
    values_ = random_normal({numel_}, 1, at::kFloat).to(options);
    grads_ = at::zeros({numel_}, options);
    const at::Tensor directions = optimizer_->is_fused() ? at::Tensor() : at::zeros({numel_}, options);
    for (auto& master : masters_) {
      const auto part = [&](const at::Tensor& flat) {
        return flat.narrow(0, master.offset, master.numel).view(master.shape);
      };
      master.value = part(values_);
      master.grad = part(grads_);
      Slot& slot = slots_.emplace_back();
      slot.master = &master;
      slot.lr = 1e-3;
      slot.weight_decay = 0.1;
      slot.follows = slots_.size() > 1;
      if (directions.defined()) slot.direction = part(directions);
    }
    for (const auto& spec : optimizer_->state_specs()) add_state(spec, options);
  }
  Weights(const Weights&) = delete;
  Weights& operator=(const Weights&) = delete;

  void draw_grads(std::uint64_t seed) { grads_.copy_(random_normal({numel_}, seed, at::kFloat)); }
  void update() {
    UpdateContext context;
    context.update = ++updates_;
    context.grad_scale = 0.5;
    context.total_updates = kUpdatesOfRun;
    context.num_masters = slots_.size();
    for (auto& slot : slots_) slot.decay_factor = 1;
    optimizer_->step(slots_, context);
  }
  const at::Tensor& values() const { return values_; }
  std::int64_t numel() const { return numel_; }
  double state_bytes() const { return state_bytes_; }
  std::int64_t period() const { return optimizer_->period(); }
  /// What an update must move: weights and states are read and written, gradients read.
  double bytes() const {
    return 2 * static_cast<double>(values_.nbytes()) + static_cast<double>(grads_.nbytes()) + 2 * state_bytes_;
  }

 private:
  /// Leaves out what the optimizer does not train.
  void declare(const std::vector<std::int64_t>& shape, const OptimizerEntry& entry) {
    ParamInfo& info = infos_.emplace_back();
    info.name = cat("weight.", infos_.size());
    info.shape = shape;
    info.roles = shape.size() == 2 ? Role::kInner : Role::kGain;
    info.fan_in = shape.back();
    info.fan_out = shape.front();
    Master& master = masters_.emplace_back();
    master.param = &info;
    master.name = info.name;
    master.shape = shape;
    master.index = masters_.size() - 1;
    master.offset = numel_;
    master.numel = c10::multiply_integers(shape);
    if (entry.can_train(master)) {
      numel_ += master.numel;
    } else {
      masters_.pop_back();
      infos_.pop_back();
    }
  }
  void add_state(const StateSpec& spec, const at::TensorOptions& options) {
    const auto state_options = spec.dtype ? options.dtype(*spec.dtype) : options;
    const at::Tensor flat = spec.shape ? at::Tensor() : at::zeros({numel_}, state_options);
    for (auto& slot : slots_) {
      const Master& m = *slot.master;
      slot.states.push_back(spec.shape ? at::zeros(spec.shape(m), state_options)
                                       : flat.narrow(0, m.offset, m.numel).view(m.shape));
      if (spec.start) spec.start(slot.states.back(), m);
      state_bytes_ += static_cast<double>(slot.states.back().nbytes());
    }
  }

  std::unique_ptr<ConfigObject> settings_;
  std::unique_ptr<Optimizer> optimizer_;
  std::deque<ParamInfo> infos_;
  std::deque<Master> masters_;
  std::vector<Slot> slots_;
  at::Tensor values_, grads_;
  std::int64_t numel_ = 0;
  double state_bytes_ = 0;
  std::int64_t updates_ = 0;
};

/// Seconds of one update, averaged over a period.
double seconds_of_update(Weights& weights, bool on_gpu) {
  const double start = seconds_now();
  for (std::int64_t i = weights.period(); i > 0; --i) weights.update();
  if (on_gpu) gpu_synchronize();
  return (seconds_now() - start) / static_cast<double>(weights.period());
}

/// x <- x + y: the bytes that memory gives to loops like those of updates.
void add_yardstick(Workload& work, std::int64_t numel, at::Device device) {
  const auto options = at::TensorOptions(at::kFloat).device(device);
  const at::Tensor x = at::full({numel}, 1, options), y = at::full({numel}, 1e-6, options);
  work.yardstick_bytes = 3 * static_cast<double>(x.nbytes());
  work.yardstick = [x, y, on_gpu = device.is_cuda()] {
    const double start = seconds_now();
    at::Tensor(x).add_(y);
    if (on_gpu) gpu_synchronize();
    return std::vector<double>{seconds_now() - start};
  };
}

/// Three updates in fp32 against fp64. Sizes are no multiples of a vector's width.
std::string check(const Variant<OptimizerEntry>& optimizer, at::Device device) {
  // Of tall matrices the basis that aro turns is left open, so rounding decides about it.
  const Shapes shapes = {{24, 24}, {17, 33}, {13, 35}, {1007}};
  Weights single(optimizer, shapes, at::TensorOptions(at::kFloat).device(device));
  Weights wide(optimizer, shapes, at::TensorOptions(at::kDouble));
  for (std::uint64_t i = 0; i < 3; ++i) {
    for (auto* weights : {&single, &wide}) {
      weights->draw_grads(10 + i);
      weights->update();
    }
  }
  const auto result = compare(single.values().cpu(), wide.values(), Tolerance::of(at::kFloat).chain(3));
  return result.agrees ? "" : cat("three updates: ", result.message);
}

/// The optimizer with products in fp32, as fp64 can be followed.
Variant<OptimizerEntry> with_exact_products(Variant<OptimizerEntry> optimizer, const Families& families) {
  if (has_field(optimizer, "precision")) set_field(optimizer, "precision", "fp32", families, optimizer.name());
  return optimizer;
}

Operation update_of(const Variant<OptimizerEntry>& optimizer, const std::string& name, const Families& families) {
  Operation out;
  out.family = OptimizerEntry::kFamily;
  out.name = name;
  out.alone = true;
  out.check = [exact = with_exact_products(optimizer, families)](const BenchSizes& sizes) {
    return check(exact, sizes.device);
  };
  out.workload = [optimizer](const BenchSizes& sizes) {
    const auto weights = std::make_shared<Weights>(optimizer, layers(sizes.d_model, sizes.parameters),
                                                   at::TensorOptions(at::kFloat).device(sizes.device));
    weights->draw_grads(2);
    weights->update();  // the first may only start the states
    const auto numel = static_cast<double>(weights->numel());
    Workload work;
    work.parts = {"update"};
    work.bytes = weights->bytes();
    work.facts = {{"parameters", weights->numel()},
                  {"state_bytes_per_parameter", weights->state_bytes() / numel},
                  {"updates_per_run", weights->period()}};
    add_yardstick(work, weights->numel(), sizes.device);
    work.run = [weights, on_gpu = sizes.device.is_cuda()] {
      return std::vector<double>{seconds_of_update(*weights, on_gpu)};
    };
    return work;
  };
  return out;
}

}  // namespace

Operation optimizer_operation(const Families& families, const std::string& yaml, const std::string& text) {
  return update_of(read_variant<OptimizerEntry>(yaml, families, text), text, families);
}

std::vector<Operation> optimizer_operations(const Families& families) {
  std::vector<Operation> out;
  if (families.find(OptimizerEntry::kFamily) == nullptr) return out;
  for (const auto& name : families.get<OptimizerEntry>().names()) {
    out.push_back(optimizer_operation(families, cat("{type: ", name, "}"), name));
  }
  return out;
}

}  // namespace ingot
