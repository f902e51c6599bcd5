#include "nn/running_norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/where.h>
#include <torch/csrc/autograd/custom_function.h>

#include "base/error.h"
#include "base/text.h"
#include "config/fields.h"
#include "config/limits.h"
#include "nn/context.h"

namespace ingot::norms {

void describe_warmup(Fields& f, WarmupSettings& c, const char* leak, const char* warmup) {
  f.field("allow_leak", c.allow_leak, leak);
  f.field("warmup", c.warmup, warmup, Rule{}.at_least(0).at_most(limits::kUpdates));
  f.field("momentum", c.momentum, "share of the running statistics that each step keeps", Rule{}.at_least(0).below(1));
  f.field("eps", c.eps, "added to mean squares before their roots", Rule{}.above(0));
}

namespace {

at::Tensor rows_of(const at::Tensor& x) { return wide(x).reshape({-1, x.size(-1)}); }

at::Tensor standardised(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& mean) {
  return (mean.defined() ? x - mean : x) * scale;
}

bool passes_sequence(Site site) {
  return site == Site::kInput || site == Site::kOutput || site == Site::kStream || site == Site::kEmbedding ||
         site == Site::kFinal;
}

}  // namespace

struct RunningFunction : torch::autograd::Function<RunningFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const RunningNorm* norm, at::ScalarType out_type,
                            std::int64_t updates, bool record, const at::Tensor& x, const at::Tensor& gain,
                            const at::Tensor& bias) {
    const at::Tensor rows = rows_of(x);
    const RunningNorm::Moments m = norm->measure(rows, updates, record);
    context->save_for_backward({x, gain, m.scale, m.mean, m.other});
    context->saved_data["norm"] = reinterpret_cast<std::int64_t>(norm);
    context->saved_data["updates"] = updates;
    return (standardised(rows, m.scale, m.mean) * gain + bias).view(x.sizes()).to(out_type);
  }

  static Tensors backward(torch::autograd::AutogradContext* context, const Tensors& dy) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "norms have no second derivative");
    const auto* norm = reinterpret_cast<const RunningNorm*>(context->saved_data["norm"].toInt());
    const Tensors saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &gain = saved[1];
    const RunningNorm::Moments m{saved[2], saved[3], saved[4]};
    const at::Tensor z = standardised(rows_of(x), m.scale, m.mean);
    const at::Tensor d = rows_of(dy[0]);
    at::Tensor dgain = (d * z).sum(0);
    if (const at::Tensor ratio = norm->gain_ratio(m); ratio.defined()) dgain = dgain * ratio;
    const at::Tensor dx = norm->gradient(d * gain, z, m, context->saved_data["updates"].toInt());
    return {{}, {}, {}, {}, dx.view(x.sizes()).to(x.scalar_type()), dgain, d.sum(0)};
  }
};

RunningNorm::RunningNorm(const RunningOptions& options, const NormContext& context) {
  if (!options.allow_leak) {
    throw ConfigError(cat(options.name,
                          ": its statistics are pooled over tokens, so that in training a token may see later ones; "
                          "'allow_leak: true' accepts that"));
  }
  check_running_site(options.name, context.site);
  gain_ = context.scope.declare(vector_spec("gain", context.width, context.gain_start));
  bias_ = context.scope.declare(bias_spec("bias", context.width));
}

at::Tensor RunningNorm::forward(const at::Tensor& x, const NormInput& input) const {
  const at::ScalarType type = input.out_type.value_or(x.scalar_type());
  const at::Tensor gain = gain_.compute(), bias = bias_.compute();
  const SequenceContext* sequence = input.sequence;
  if (sequence != nullptr && sequence->pass.training && sequence->is_batch) {
    return RunningFunction::apply(this, type, updates_of(input), sequence->counts(), x, gain, bias);
  }
  const Moments m = frozen();
  return (standardised(wide(x), m.scale, m.mean) * gain + bias).to(type);
}

std::int64_t updates_of(const NormInput& input) {
  return input.sequence == nullptr ? 0 : input.sequence->pass.point.updates;
}

void check_running_site(const char* name, Site site) {
  if (passes_sequence(site)) return;
  throw ConfigError(cat(name, ": has running statistics, which the site '", site_name(site), "' does not keep"));
}

Buffer mean_buffer(const ParamScope& scope, const std::string& name, std::vector<std::int64_t> shape, double initial,
                   const MeanUpdate& update) {
  const std::int64_t width = shape.back();
  BufferSpec spec{name, std::move(shape), {width + 1}, initial, {}};
  spec.update = [update, width](at::Tensor& value, const at::Tensor& accumulator, std::int64_t number) {
    const at::Tensor count = accumulator.narrow(0, width, 1);
    const at::Tensor mean = accumulator.narrow(0, 0, width) / count.clamp_min(1);
    value.copy_(at::where(count > 0, update(value, mean, number), value));
  };
  return scope.declare_buffer(spec);
}

void record_rows(const Buffer& buffer, const at::Tensor& rows) {
  const std::int64_t width = rows.size(1);
  const at::Tensor& accumulator = buffer.accumulator();
  accumulator.narrow(0, 0, width).add_(rows.sum(0));
  accumulator.narrow(0, width, 1).add_(rows.size(0));
}

void record_rows(const Buffer& buffer, const at::Tensor& rows, const at::Tensor& weights) {
  const std::int64_t width = rows.size(1);
  const at::Tensor& accumulator = buffer.accumulator();
  accumulator.narrow(0, 0, width).add_((rows * weights).sum(0));
  accumulator.narrow(0, width, 1).add_(weights.sum(0));
}

}  // namespace ingot::norms
