#pragma once
// Trained models in another form with the same logits.

#include <string>

#include "base/files.h"
#include "eval/trained_model.h"
#include "registry/family.h"

namespace ingot {

enum class ConvertTo {
  kFolded,    // gains and biases of the norms before products and before the head are part of these
  kRmsNorm,   // LayerNorms become RMSNorms: what writes the stream is centred, so that its mean is zero
  kCrmsNorm,  // and these CRMSNorms: the stream has one channel less, the negative sum of the others
  kNormFree,  // norms that training made linear (frozen_norm) are part of the products that follow
};

struct Converted {
  fs::path checkpoint;
  std::int64_t parameters_before = 0, parameters_after = 0;
};

/// Writes a run directory with one checkpoint, without optimizer state, that commands open like any other. Weights are
/// fp32 and `plain`, without constraints; a tied head becomes one of its own. `out` must not exist or be empty.
///
///   folded     y = W (gain ⊙ n(x) + bias):  W <- W diag(gain), its bias <- bias + W b
///   rms_norm   rows of the embedding, of meta tokens and of learned positions minus their means; W_out minus its mean
///              over the outputs; then LayerNorm(x) = RMSNorm(x). Pre-norm alone: nothing else may act on the stream.
///   crms_norm  both of these; then without the last channel: W_in <- W_in[:, :d-1] - W_in[:, d-1], W_out <-
///              W_out[:d-1]
///   norm_free  y = W (gain ⊙ (x - mean x) / s + bias):  W <- W diag(gain) / s minus its mean over the inputs, its bias
///                                                       <-
///              bias + W b; the site's norm is `none`. Norms of other kinds stay.
///
/// Jiang et al. 2023, "Pre-RMSNorm and Pre-CRMSNorm Transformers", arXiv:2305.14858, section 3. Throws ConfigError
/// where the model has no such form, CheckpointError and DataError as open_trained_model does.
Converted convert_model(const fs::path& run_or_checkpoint, ConvertTo form, const fs::path& out,
                        const Families& families, WeightsKind weights = WeightsKind::kToEvaluate);

}  // namespace ingot
