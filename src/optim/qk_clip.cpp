#include "optim/qk_clip.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "config/units.h"

namespace ingot {
namespace {

const Master& plain_master(const ParameterStore& store, const std::string& name) {
  const auto& masters = store.masters();
  const auto is_of = [&](const Master& master) { return master.param->name == name; };
  const auto found = std::find_if(masters.begin(), masters.end(), is_of);
  const bool is_alone = std::count_if(masters.begin(), masters.end(), is_of) == 1;
  if (is_alone && found->shape == found->param->shape) return *found;
  throw ConfigError(cat("optim.qk_clip: '", name, "' has a parametrization, expected plain"));
}

/// Multiplies the rows of a matrix by its heads' factors, as far as they are owned.
void scale_heads(const ParameterStore& store, const Master& matrix, const std::vector<double>& factors) {
  const auto part = std::find_if(store.owned().begin(), store.owned().end(),
                                 [&](const Master& owned) { return owned.index == matrix.index; });
  if (part == store.owned().end()) return;
  at::Tensor flat = part->value.flatten();  // a view
  const auto per_head = matrix.numel / std::ssize(factors);
  for (std::int64_t head = 0; head < std::ssize(factors); ++head) {
    const auto begin = std::max(head * per_head, part->begin) - part->begin;
    const auto end = std::min((head + 1) * per_head, part->begin + part->numel) - part->begin;
    const double factor = factors[static_cast<std::size_t>(head)];
    if (begin < end && factor != 1) flat.narrow(0, begin, end - begin).mul_(factor);
  }
}

}  // namespace

void describe(Fields& f, QkClipConfig& c) {
  f.field("threshold", c.threshold, "largest score that a head may have", Rule{}.above(0));
  f.field("share", c.share, "power of the factor that the queries get; the keys get the rest, unless heads share them",
          Rule{}.at_least(0).at_most(1));
  f.field("every", c.every, "updates from one measurement of the scores to the next", Rule{}.at_least(1));
}

void clip_scores(const QkClipConfig& config, const LargestScores& largest, const ParameterStore& store) {
  if (largest.empty()) {
    throw ConfigError("optim.qk_clip: no mixer of the model has softmax scores, expected one of type attention");
  }
  const at::NoGradGuard no_grad;
  for (const auto& [scope, scores] : largest) {
    const Master &q = plain_master(store, scope + ".q.weight"), &k = plain_master(store, scope + ".k.weight");
    const bool shares_keys = k.shape[0] != q.shape[0];
    std::vector<double> of_queries, of_keys;
    for (const double score : scores) {
      const double factor = score > config.threshold ? config.threshold / score : 1;
      of_queries.push_back(shares_keys ? factor : std::pow(factor, config.share));
      of_keys.push_back(std::pow(factor, 1 - config.share));
    }
    scale_heads(store, q, of_queries);
    if (!shares_keys) scale_heads(store, k, of_keys);
  }
}

}  // namespace ingot
