#include "optim/weight_average.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "optim/warmup.h"
#include "params/flat_elements.h"

namespace ingot {

WeightAverage::WeightAverage(const Variant<AverageEntry>& variant, const ScheduleContext& context,
                             const ParameterStore& store, int num_sublayers)
    : average_(variant.entry().make(variant.settings(), context)), store_(store) {
  if (!is_on()) return;
  scope_ = variant.entry().scope(variant.settings());
  start_ = steps_of(scope_.start, context);
  for (const Master& master : store.masters()) {
    is_averaged_.push_back(master.trained && scope_.match.matches(*master.param, num_sublayers));
  }
  if (std::find(is_averaged_.begin(), is_averaged_.end(), true) == is_averaged_.end()) {
    throw ConfigError(cat("optim.average.match: ", scope_.match.text(), " matches no parameter"));
  }
}

std::int64_t WeightAverage::bytes() const {
  if (!is_on()) return 0;
  std::int64_t elements = 0;
  for (const Master& part : store_.owned()) elements += averages(part) ? part.numel : 0;
  return elements * static_cast<std::int64_t>(c10::elementSize(store_.options().master_dtype));
}

void WeightAverage::allocate() {
  averages_.clear();
  if (!is_on()) return;
  for (const Master& part : store_.owned()) {
    if (averages(part)) averages_.push_back(at::zeros_like(part.value));
  }
}

void WeightAverage::take(std::int64_t position) {
  if (!is_on() || position < start_ || (position - start_) % scope_.every != 0) return;
  const at::NoGradGuard no_grad;
  const double share = average_->share(++taken_);
  auto average = averages_.begin();
  for (const Master& part : store_.owned()) {
    if (!averages(part)) continue;
    // Bit by bit the weights themselves, whatever was there.
    share == 1 ? average->copy_(part.value) : average->lerp_(part.value, share);
    ++average;
  }
}

void WeightAverage::blend_into(at::Tensor& flat) const {
  const at::NoGradGuard no_grad;
  auto average = averages_.begin();
  for (const Master& part : store_.owned()) {
    if (!averages(part)) continue;
    at::Tensor weights = elements_of(flat, part, store_);
    scope_.blend == 1 ? weights.copy_(*average) : weights.lerp_(*average, scope_.blend);
    ++average;
  }
}

StateTensors WeightAverage::state() const {
  StateTensors out;
  if (!is_on()) return out;
  auto average = averages_.begin();
  auto part = store_.owned().begin();
  for (const Master& master : store_.masters()) {
    const bool is_owned = part != store_.owned().end() && part->index == master.index;
    if (averages(master)) {
      out.emplace_back(cat(master.name, kConstraintMark, "average"), is_owned ? *average++ : at::Tensor(), master.shape,
                       is_owned ? part->begin : 0);
    }
    if (is_owned) ++part;
  }
  return out;
}

}  // namespace ingot
