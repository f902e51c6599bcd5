// For each chunk of rows, with s_v = a_v c_v, a_v = 1/||W_v|| or 1, c_v = scale_factor · scale_v or 1:
//
//   Z = s ⊙ (H W^T)                             [rows, V], fp32
//   loss_i = lse(Z_i) - Z_{i,target} + c lse(Z_i)²
//   D = softmax(Z) (1 + 2 c lse) - onehot(target)
//   dH  = (s ⊙ D) W         dW += (s ⊙ D)^T H
//   with normalised rows  dW_v -= a_v² M_v W_v,  with a scale  dscale_v += M_v / scale_v,  M_v = sum_i D_iv Z_iv
//
// The first of the last two comes from z = c W·h/||W||: dz/dW = c h/||W|| - z W/||W||².

#include "ops/linear_cross_entropy/linear_cross_entropy.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_assert_async.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <stdexcept>

#include "device/matmul.h"
#include "ops/kernel_types.h"
#include "ops/linear_cross_entropy/chunk.h"

namespace ingot::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kLogitBytes = 64 << 20;      // of a chunk
constexpr std::int64_t kGpuLogitBytes = 512 << 20;  // products there need more rows to fill the machine
constexpr std::int64_t kMinRows = 512;              // fewer make the weight gradient's product wait for memory
constexpr std::int64_t kStrideUnit = 16;            // logits rows start at 64 bytes

std::int64_t rounded_up(std::int64_t n, std::int64_t unit) { return (n + unit - 1) / unit * unit; }

/// Rows of a chunk, from the shapes alone so that the order of additions is a property of the model.
std::int64_t chunk_rows(std::int64_t rows, std::int64_t vocab, bool on_gpu) {
  const std::int64_t fit = (on_gpu ? kGpuLogitBytes : kLogitBytes) / (4 * vocab) / kBlockRows * kBlockRows;
  return std::min(std::max(fit, kMinRows), rounded_up(std::max<std::int64_t>(rows, 1), kBlockRows));
}

/// What one pass over all rows makes.
struct Wanted {
  bool hidden_gradient = false;
  bool weight_gradient = false;
  double factor = 1;  // of both gradients
};

/// Walks through the chunks of one call.
class Pass {
 public:
  Pass(const at::Tensor& hidden, const LinearHead& head, const at::Tensor& targets, double z_loss,
       const Wanted& wanted);

  at::Tensor cross_entropy, z;  // [N]
  at::Tensor hidden_gradient;   // [N, D] in hidden's dtype, if wanted

 private:
  void prepare_scale(const LinearHead& head);
  void run_chunk(std::int64_t begin, std::int64_t end);
  void add_scale_gradients();

  const Wanted wanted_;
  const double z_loss_;
  at::ScalarType wide_;
  at::Tensor hidden_, weight_, weight_grad_, targets_;
  at::Tensor lengths_, learned_, learned_grad_;  // 1/a, scale; undefined without
  at::Tensor scale_, moments_;                   // s, M
  at::Tensor logits_, low_gradient_;             // [chunk, stride]; the gradient in bf16 for bf16 factors
};

Pass::Pass(const at::Tensor& hidden, const LinearHead& head, const at::Tensor& targets, double z_loss,
           const Wanted& wanted)
    : wanted_(wanted), z_loss_(z_loss), wide_(wide_type(head.weight.scalar_type())), targets_(targets.contiguous()) {
  const auto rows = hidden.size(0), vocab = head.vocab_size;
  const bool trains = wanted.hidden_gradient || wanted.weight_gradient;
  weight_ = head.weight.narrow(0, 0, vocab);
  hidden_ = hidden.to(weight_.scalar_type()).contiguous();
  const auto options = weight_.options().dtype(wide_).requires_grad(false);
  prepare_scale(head);
  if (scale_.defined() && wanted.weight_gradient) moments_ = at::zeros({vocab}, options);
  if (wanted.weight_gradient) weight_grad_ = head.weight_grad.narrow(0, 0, vocab);
  if (wanted.hidden_gradient) hidden_gradient = at::empty(hidden.sizes(), hidden.options().requires_grad(false));
  cross_entropy = at::empty({rows}, options);
  z = at::empty({rows}, options);
  const auto step = chunk_rows(rows, vocab, weight_.is_cuda());
  logits_ = at::empty({step, rounded_up(vocab, kStrideUnit)}, options);
  if (trains && weight_.scalar_type() != wide_) low_gradient_ = at::empty(logits_.sizes(), hidden_.options());
  for (std::int64_t begin = 0; begin < rows; begin += step) run_chunk(begin, std::min(begin + step, rows));
  if (moments_.defined()) add_scale_gradients();
}

void Pass::prepare_scale(const LinearHead& head) {
  if (head.normalise_rows) {
    lengths_ = at::linalg_vector_norm(weight_, 2, {1}, false, wide_);
    scale_ = lengths_.reciprocal();
  }
  if (!head.scale.defined()) return;
  learned_ = head.scale.detach().narrow(0, 0, head.vocab_size);
  if (wanted_.weight_gradient && head.scale_grad.defined()) {
    learned_grad_ = head.scale_grad.narrow(0, 0, head.vocab_size);
  }
  const auto factor = learned_ * head.scale_factor;
  scale_ = scale_.defined() ? scale_ * factor : factor;
}

void Pass::run_chunk(std::int64_t begin, std::int64_t end) {
  const auto count = end - begin, vocab = weight_.size(0);
  const auto rows_of = [&](const at::Tensor& x) { return x.narrow(0, begin, count); };
  const auto logits = logits_.narrow(0, 0, count).narrow(1, 0, vocab);
  wide_matmul(logits, rows_of(hidden_), weight_.t(), false);

  LogitChunk chunk;
  chunk.logits = logits;
  chunk.column_scale = scale_;
  chunk.targets = rows_of(targets_);
  chunk.z_loss = z_loss_;
  chunk.cross_entropy = rows_of(cross_entropy);
  chunk.z = rows_of(z);
  if (!wanted_.hidden_gradient && !wanted_.weight_gradient) return chunk_losses(chunk);
  at::Tensor gradient = logits;
  if (low_gradient_.defined()) gradient = low_gradient_.narrow(0, 0, count).narrow(1, 0, vocab);
  chunk_losses_and_gradient(chunk, wanted_.factor, gradient, moments_);

  if (wanted_.weight_gradient) wide_matmul(weight_grad_, gradient.t(), rows_of(hidden_), true);
  if (!wanted_.hidden_gradient) return;
  auto out = rows_of(hidden_gradient);
  if (out.scalar_type() == wide_) {
    wide_matmul(out, gradient, weight_, false);
  } else {
    out.copy_(ingot::matmul(gradient, weight_));
  }
}

void Pass::add_scale_gradients() {
  if (lengths_.defined()) {
    weight_grad_.addcmul_(weight_.to(wide_), (moments_ / lengths_.square()).unsqueeze(1), -1);
  }
  if (learned_grad_.defined()) learned_grad_.add_((moments_ / learned_).masked_fill_(learned_.eq(0), 0));
}

/// Sum of fp32 or fp64 rows, taken in fp64 and in their order on CPUs, where at::sum depends on the number of threads.
at::Tensor sum_of_rows(const at::Tensor& rows) {
  if (!rows.is_cpu()) return rows.sum(at::kDouble).to(rows.scalar_type());
  const auto wide = rows.to(at::kDouble);
  const double* values = wide.const_data_ptr<double>();
  return at::full({}, std::accumulate(values, values + wide.numel(), 0.0), rows.options());
}

LinearCrossEntropySums sums_of(const Pass& pass) {
  LinearCrossEntropySums sums;
  sums.cross_entropy = sum_of_rows(pass.cross_entropy);
  sums.z_loss = sum_of_rows(pass.z);
  sums.total = sums.cross_entropy + sums.z_loss;
  return sums;
}

void check(const at::Tensor& hidden, const LinearHead& head, const at::Tensor& targets) {
  const auto& weight = head.weight;
  if (hidden.dim() != 2 || weight.dim() != 2 || hidden.size(1) != weight.size(1) || targets.dim() != 1 ||
      targets.size(0) != hidden.size(0) || targets.scalar_type() != at::kLong) {
    throw std::invalid_argument("linear_cross_entropy: expected hidden [N, D], weight [V, D] and int64 targets [N]");
  }
  if (head.vocab_size < 1 || head.vocab_size > weight.size(0)) {
    throw std::invalid_argument("linear_cross_entropy: vocab_size is outside the weight's rows");
  }
  if (!targets.is_cpu()) return;
  const auto ids = targets.contiguous();
  const auto* values = ids.const_data_ptr<std::int64_t>();
  if (std::any_of(values, values + ids.numel(), [&](std::int64_t id) { return id < -1 || id >= head.vocab_size; })) {
    throw std::out_of_range("linear_cross_entropy: a target is outside the vocabulary");
  }
}

struct LinearCrossEntropyFunction : torch::autograd::Function<LinearCrossEntropyFunction> {
  /// weight and scale are head's, for the graph alone.
  static variable_list forward(AutogradContext* context, const at::Tensor& hidden, const at::Tensor& weight,
                               const std::optional<at::Tensor>& scale, const LinearHead& head,
                               const at::Tensor& targets, double z_loss) {
    Wanted wanted;
    wanted.hidden_gradient = hidden.requires_grad();
    wanted.weight_gradient = weight.requires_grad() && head.weight_grad.defined();
    const Pass pass(hidden, head, targets, z_loss, wanted);
    const auto sums = sums_of(pass);
    context->mark_non_differentiable({sums.cross_entropy, sums.z_loss});
    context->save_for_backward({hidden, weight, targets, pass.hidden_gradient, scale.value_or(at::Tensor())});
    auto& data = context->saved_data;
    if (wanted.weight_gradient) data["weight_grad"] = head.weight_grad;
    if (head.scale_grad.defined()) data["scale_grad"] = head.scale_grad;
    data["vocab_size"] = head.vocab_size;
    data["normalise_rows"] = head.normalise_rows;
    data["scale_factor"] = head.scale_factor;
    data["z_loss"] = z_loss;
    data["used"] = false;
    return {sums.total, sums.cross_entropy, sums.z_loss};
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    if (at::GradMode::is_enabled()) throw std::logic_error("linear_cross_entropy has no gradient of its gradient");
    if (context->saved_data["used"].toBool()) {
      throw std::logic_error("linear_cross_entropy: a second backward; the weight's gradient is already added");
    }
    context->saved_data["used"] = true;
    const auto saved = context->get_saved_variables();
    const auto& upstream = grads[0];
    if (context->saved_data.count("weight_grad") != 0) add_rest_of_weight_gradient(context, saved, upstream);
    at::Tensor hidden_gradient = saved[3];
    if (hidden_gradient.defined()) hidden_gradient = hidden_gradient * upstream;
    return {hidden_gradient, {}, {}, {}, {}, {}};
  }

 private:
  /// forward added the gradient for an upstream gradient of 1.
  static void add_rest_of_weight_gradient(AutogradContext* context, const variable_list& saved,
                                          const at::Tensor& upstream) {
    if (!upstream.is_cpu()) {
      return at::_assert_async(upstream.eq(1), "linear_cross_entropy: the upstream gradient must be 1 on this device");
    }
    Wanted wanted;
    wanted.weight_gradient = true;
    wanted.factor = upstream.item<double>() - 1;
    if (wanted.factor == 0) return;
    auto& data = context->saved_data;
    LinearHead head = {saved[1], data["weight_grad"].toTensor(), data["vocab_size"].toInt(),
                       data["normalise_rows"].toBool()};
    head.scale = saved[4];
    if (data.count("scale_grad") != 0) head.scale_grad = data["scale_grad"].toTensor();
    head.scale_factor = data["scale_factor"].toDouble();
    const Pass rest(saved[0], head, saved[2], data["z_loss"].toDouble(), wanted);
  }
};

}  // namespace

LinearCrossEntropySums linear_cross_entropy(const at::Tensor& hidden, const LinearHead& head, const at::Tensor& targets,
                                            double z_loss) {
  check(hidden, head, targets);
  if (!at::GradMode::is_enabled() || !(hidden.requires_grad() || head.weight.requires_grad())) {
    return sums_of(Pass(hidden, head, targets, z_loss, {}));
  }
  std::optional<at::Tensor> scale;  // arguments of a Function are not undefined
  if (head.scale.defined()) scale = head.scale;
  const auto out = LinearCrossEntropyFunction::apply(hidden, head.weight, scale, head, targets, z_loss);
  return {out[0], out[1], out[2]};
}

std::int64_t linear_cross_entropy_bytes(std::int64_t rows, std::int64_t d_model, const LinearHead& head,
                                        at::ScalarType dtype, bool on_gpu) {
  const auto wide = static_cast<std::int64_t>(c10::elementSize(wide_type(dtype)));
  const auto element = static_cast<std::int64_t>(c10::elementSize(dtype));
  const auto chunk = chunk_rows(rows, head.vocab_size, on_gpu);
  const auto logit_bytes = wide + (element != wide ? element : 0);
  std::int64_t bytes =
      chunk * rounded_up(head.vocab_size, kStrideUnit) * logit_bytes + rows * (d_model * element + 2 * wide);
  // The largest product's factors and result in fp32: the hidden rows' gradient.
  if (!on_gpu && dtype == at::kBFloat16 && !multiplies_bfloat16())
    bytes += (chunk + d_model) * head.vocab_size * wide + chunk * d_model * (wide + element);
  // Scale, moments and their partial sums by blocks.
  if (head.normalise_rows || head.scale.defined())
    bytes += (2 + (on_gpu ? 0 : chunk / kBlockRows)) * head.vocab_size * wide;
  return bytes;
}

at::Tensor cross_entropy_of_rows(const at::Tensor& hidden, const LinearHead& head, const at::Tensor& targets) {
  const at::NoGradGuard no_grad;
  check(hidden, head, targets);
  return Pass(hidden, head, targets, 0, {}).cross_entropy;
}

at::Tensor head_logits(const at::Tensor& hidden, const LinearHead& head) {
  const at::NoGradGuard no_grad;
  const auto wide = wide_type(head.weight.scalar_type());
  const auto weight = head.weight.narrow(0, 0, head.vocab_size);
  const auto logits = at::empty({hidden.size(0), head.vocab_size}, hidden.options().dtype(wide));
  wide_matmul(logits, hidden.to(weight.scalar_type()), weight.t(), false);
  if (head.normalise_rows) at::Tensor(logits).div_(at::linalg_vector_norm(weight, 2, {1}, false, wide));
  if (head.scale.defined()) at::Tensor(logits).mul_(head.scale.narrow(0, 0, head.vocab_size) * head.scale_factor);
  return logits;
}

}  // namespace ingot::ops
