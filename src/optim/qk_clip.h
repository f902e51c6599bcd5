#pragma once
// QK-clip: a bound on the scores of attention, kept by its weights after the update.
//
//   γ_h = min(1, τ / S_h)       S_h: largest score of head h in the step, scale · q · k over all visible pairs
//   W_q,h <- γ_h^α · W_q,h      W_k,h <- γ_h^(1-α) · W_k,h      where every head has keys of its own
//   W_q,h <- γ_h · W_q,h        where heads share keys: these stay, so that no head pays for another
//
// W_q,h: the rows of head h; τ: threshold, α: share. S_h is of the weights before the update, over all ranks and
// micro-batches. Only where scores follow the scale of the weights: no norms of queries or keys. Kimi Team 2025
// (arXiv:2507.20534), section 2.1, with α = 1/2; shared parts of the keys are left alone there too.

#include <map>
#include <string>
#include <vector>

#include "config/fields.h"
#include "params/store.h"

namespace ingot {

struct QkClipConfig {
  double threshold = 100;
  double share = 0.5;
  std::int64_t every = 1;
};
void describe(Fields& f, QkClipConfig& c);

/// By the scope of an attention, "layers.0.mixer": the largest score of each head.
using LargestScores = std::map<std::string, std::vector<double>>;

/// Scales the rows of W_q and W_k that the store owns. Throws ConfigError if there are no scores, or if the weights of
/// an attention are not trained as they are.
void clip_scores(const QkClipConfig& config, const LargestScores& largest, const ParameterStore& store);

}  // namespace ingot
