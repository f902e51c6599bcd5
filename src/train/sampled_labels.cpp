#include "train/sampled_labels.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/where.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "base/random.h"
#include "base/text.h"
#include "objective/objective.h"

namespace ingot {
namespace {

constexpr std::int64_t kRows = 128;  // whose logits are in memory at a time

/// Uniform in [0, 1): [B T] fp64 on the CPU.
at::Tensor uniforms(const LabelDraw& draw, std::int64_t length) {
  const RandomStream stream(draw.seed, cat("sampled_labels/", draw.update));
  const at::Tensor out = at::empty({static_cast<std::int64_t>(draw.rows.size()) * length}, at::kDouble);
  auto* next = out.mutable_data_ptr<double>();
  for (const auto row : draw.rows) {
    for (std::int64_t t = 0; t < length; ++t) {
      const auto bits = stream.at(static_cast<std::uint64_t>(row * length + t));
      *next++ = static_cast<double>(bits >> 11) * 0x1.0p-53;
    }
  }
  return out;
}

}  // namespace

at::Tensor sampled_labels(const at::Tensor& hidden, const HeadWeights& head, const at::Tensor& targets,
                          const LabelDraw& draw) {
  const c10::NoGradGuard no_grad;
  const at::Tensor rows = hidden.detach().reshape({-1, hidden.size(-1)});
  const at::Tensor drawn = uniforms(draw, hidden.size(1)).to(hidden.device()).unsqueeze(1);
  std::vector<at::Tensor> labels;
  for (std::int64_t begin = 0; begin < rows.size(0); begin += kRows) {
    const auto n = std::min(kRows, rows.size(0) - begin);
    const at::Tensor sums = at::softmax(logits(rows.narrow(0, begin, n), head), 1, at::kDouble).cumsum(1);
    // The first label whose sum is above the drawn share of all, which rounding leaves near 1.
    const at::Tensor label = (sums <= drawn.narrow(0, begin, n) * sums.narrow(1, sums.size(1) - 1, 1)).sum(1);
    labels.push_back(label.clamp_max(sums.size(1) - 1));
  }
  const at::Tensor all = at::cat(labels).view(targets.sizes());
  return at::where(targets < 0, targets, all.to(targets.scalar_type()));
}

}  // namespace ingot
