#include "train/part_costs.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>

#include "device/gpu.h"
#include "device/machine.h"
#include "device/matmul.h"
#include "device/tensor_memory.h"
#include "ops/linear_cross_entropy/linear_cross_entropy.h"
#include "recipe/options.h"

namespace ingot {
namespace {

constexpr std::int64_t kRows[] = {1, 3};
constexpr std::int64_t kMaxLength = 256;
constexpr std::int64_t kMinLength = 64;    // a chunk of the recurrences
constexpr double kMaxFlops = 5e10;         // of a measured pass
constexpr std::int64_t kVocab = 64;        // of a part's own embedding
constexpr std::int64_t kHeadVocab = 4096;  // of the measured head, at most
constexpr int kRepeats = 2;

/// Tokens of a timed row: fewer where a sub-layer is large.
std::int64_t timed_length(const TrainSetup& setup) {
  const auto seq_len = setup.config.data.seq_len;
  const double sublayer = setup.model->flops(seq_len).training_per_token() / setup.model->num_sublayers();
  std::int64_t length = std::min<std::int64_t>(seq_len, kMaxLength);
  while (length > kMinLength && sublayer * static_cast<double>(length * kRows[1]) > kMaxFlops) length /= 2;
  return length;
}

/// What one pass of a part takes.
struct Pass {
  double tokens = 0, kept = 0, forward_peak = 0, backward_peak = 0, seconds = 0;
};

/// Some sub-layers of the set-up's model, with weights of their own, all zero.
class Part {
 public:
  Part(const TrainSetup& setup, const Families& families, std::vector<int> depths)
      : device_(torch_device(setup.config.train.device)), documents_(setup.config.data.reset_at_document) {
    auto options = model_options(setup.config, kVocab, setup.store->options().master_dtype);
    options.depths = std::move(depths);
    model_ = std::make_unique<LanguageModel>(setup.config.model, options, families, store_);
    WeightsConfig plain;
    plain.parametrization = make_variant<ParametrizationEntry>(families, "plain");
    plain.init = make_variant<InitEntry>(families, "normal");
    store_.layout(plain, model_->num_sublayers(), setup.store->options());
    store_.allocate();
  }

  Pass run(std::int64_t rows, std::int64_t length) {
    const auto tokens = at::zeros({rows, length}, at::TensorOptions().dtype(at::kLong).device(device_));
    at::Tensor documents;
    if (documents_) documents = (at::arange(length, tokens.options()) >= length / 2).to(at::kLong).repeat({rows, 1});
    const auto begin = std::chrono::steady_clock::now();
    const auto before = start();
    Pass pass;
    pass.tokens = static_cast<double>(rows * length);
    const TrainingPass training{at::arange(rows, at::kLong), nullptr};  // layers may draw noise
    const auto hidden = model_->forward(tokens, documents, training);
    const auto after = tensor_memory(device_);
    pass.kept = static_cast<double>(after.allocated - before);
    pass.forward_peak = static_cast<double>(after.peak_allocated - before);
    reset_tensor_peak(device_);
    torch::autograd::backward({hidden}, {at::ones_like(hidden)});
    pass.backward_peak = static_cast<double>(tensor_memory(device_).peak_allocated - before);
    if (device_.is_cuda()) gpu_synchronize();
    pass.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return pass;
  }

  const ParameterStore& store() const { return store_; }

 private:
  std::int64_t start() const {
    reset_tensor_peak(device_);
    return tensor_memory(device_).allocated;
  }

  c10::Device device_;
  bool documents_;
  ParameterStore store_;
  std::unique_ptr<LanguageModel> model_;
};

Affine line_through(double x0, double y0, double x1, double y1) {
  const double slope = (y1 - y0) / (x1 - x0);
  return {y0 - slope * x0, slope};
}

PartCost measure_memory(Part& part, std::int64_t length) {
  part.run(kRows[0], length);  // what is made on first use is no part of a pass
  const Pass small = part.run(kRows[0], length), large = part.run(kRows[1], length);
  const auto line = [&](double Pass::*member) {
    return line_through(small.tokens, small.*member, large.tokens, large.*member);
  };
  return {line(&Pass::kept), line(&Pass::forward_peak), line(&Pass::backward_peak), 0};
}

double measure_seconds_per_token(Part& part, std::int64_t length) {
  double best = 1e30;
  for (int i = 0; i <= kRepeats; ++i) {
    const Pass pass = part.run(kRows[1], length);
    best = std::min(best, pass.seconds / pass.tokens);
  }
  return best;
}

/// One part's memory, on CPUs without its products.
PartCost measure_part(Part& part, const TrainSetup& setup, bool timed) {
  PartCost cost;
  {
    std::optional<WithoutProducts> guard;
    if (setup.config.train.device != DeviceKind::kCuda) guard.emplace();
    cost = measure_memory(part, std::min<std::int64_t>(setup.config.data.seq_len, kMaxLength));
  }
  if (timed) cost.seconds_per_token = measure_seconds_per_token(part, timed_length(setup));
  return cost;
}

Affine operator-(const Affine& a, const Affine& b) { return {a.fixed - b.fixed, a.per_token - b.per_token}; }

PartCost without(const PartCost& cost, const PartCost& frame) {
  return {cost.kept - frame.kept, cost.forward_peak - frame.kept, cost.backward_peak - frame.kept,
          std::max(0.0, cost.seconds_per_token - frame.seconds_per_token)};
}

/// Sub-layers that do the same work cost the same.
std::vector<int> kinds_of(const ResolvedModel& model, std::vector<int>& first_depths) {
  std::vector<int> kinds;
  for (const auto& layer : model.sublayers) {
    const auto found = std::find_if(first_depths.begin(), first_depths.end(),
                                    [&](int depth) { return same_work(model.sublayer(depth), layer); });
    kinds.push_back(static_cast<int>(found - first_depths.begin()));
    if (found == first_depths.end()) first_depths.push_back(layer.depth);
  }
  return kinds;
}

/// How much more a token of a long row takes than one of a measured row, by the operations counted.
double length_factor(const TrainSetup& setup, std::int64_t length) {
  return setup.model->flops(setup.config.data.seq_len).forward_per_token / setup.model->flops(length).forward_per_token;
}

double head_seconds_per_token(const TrainSetup& setup, std::int64_t rows) {
  const auto vocab = std::min(setup.vocab_size, kHeadVocab);
  const auto d_model = setup.config.model.d_model;
  const auto device = torch_device(setup.config.train.device);
  const auto options = at::TensorOptions().device(device).dtype(setup.compute_dtype());
  const auto weight = at::zeros({vocab, d_model}, options).requires_grad_();
  const auto gradient = at::zeros({vocab, d_model}, options.dtype(setup.store->options().master_dtype));
  const auto hidden = at::randn({rows, d_model}, options).requires_grad_();
  const auto targets = at::zeros({rows}, options.dtype(at::kLong));
  double best = 1e30;
  for (int i = 0; i <= kRepeats; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    const ops::LinearHead head = {weight, gradient, vocab, setup.scales_logits()};
    torch::autograd::backward({ops::linear_cross_entropy(hidden, head, targets, 0).total}, {});
    if (device.is_cuda()) gpu_synchronize();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return best / static_cast<double>(rows) * static_cast<double>(setup.vocab_size) / static_cast<double>(vocab);
}

/// The update passes over memory: masters are read and written, gradients read twice and cleared, states read and
/// written, weights written. The speed is that of a += b on the part's weights.
double update_seconds(const TrainSetup& setup, const ParameterStore& part) {
  const c10::NoGradGuard no_grad;
  const auto& a = part.flat_masters();
  double best = 1e30;
  for (int i = 0; i <= kRepeats; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    at::Tensor(a).add_(part.flat_grads());
    if (a.is_cuda()) gpu_synchronize();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  const double rate = 3.0 * static_cast<double>(a.nbytes()) / best;
  const auto memory = setup.store->memory();
  const double bytes = 2.0 * static_cast<double>(memory.masters) + 3.0 * static_cast<double>(memory.gradients) +
                       2.0 * static_cast<double>(setup.optimizer->state_bytes()) + static_cast<double>(memory.weights);
  return bytes / rate;
}

/// Of the process without tensors, once the libraries behind products are at work.
std::int64_t program_bytes(const TrainSetup& setup) {
  if (setup.config.train.device == DeviceKind::kCuda) return 0;
  const auto x = at::ones({256, 256}, setup.compute_dtype());
  ingot::matmul(x, x);
  return std::max<std::int64_t>(0, memory_use().resident - tensor_memory(at::kCPU).allocated);
}

}  // namespace

ModelCosts measure_costs(const TrainSetup& setup, const Families& families, Measure measure) {
  ModelCosts costs;
  costs.program_bytes = program_bytes(setup);
  costs.timed = measure == Measure::kMemoryAndTime;
  std::vector<int> depths;
  costs.kind = kinds_of(setup.model->resolved(), depths);
  {
    Part frame(setup, families, {});
    costs.frame = measure_part(frame, setup, costs.timed);
  }
  const double factor = length_factor(setup, timed_length(setup));
  std::int64_t largest = 0;
  for (const int depth : depths) {
    Part part(setup, families, {depth});
    auto cost = without(measure_part(part, setup, costs.timed), costs.frame);
    cost.seconds_per_token *= factor;
    costs.kinds.push_back(cost);
    if (costs.timed && part.store().num_parameters() > largest) {
      largest = part.store().num_parameters();
      costs.update_seconds = update_seconds(setup, part.store());
    }
  }
  if (costs.timed) costs.head_seconds_per_token = head_seconds_per_token(setup, timed_length(setup) * kRows[1]);
  return costs;
}

}  // namespace ingot
