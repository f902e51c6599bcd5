#pragma once
// Norms with running statistics over tokens.
//
// In training, y = gain ⊙ z + bias with z = (x - mean) · scale, where mean and scale [d] may come from this micro-batch
// and from buffers, and the gradient is what the paper says, which need not be that of the forward pass. Both passes
// read the buffers' values of the step's start and add sums over rows to accumulators, from which the buffers move once
// a step: the same for any split into micro-batches and ranks as far as the sums are. The forward pass adds nothing
// while it is computed again. Gradients, and so the statistics of gradients, are those of the loss summed over target
// tokens.
//
// Elsewhere (evaluation, decoding, the meta prefix) mean and scale come from the buffers alone and are constants.

#include "nn/norm_parts.h"

namespace ingot {
class Fields;
}

namespace ingot::norms {

/// What PowerNorm and Unified Normalization have alike: statistics of the micro-batch for the first updates, running
/// ones from then on.
struct WarmupSettings {
  std::int64_t warmup = 0;
  bool allow_leak = false;
  double momentum = 0.9;
  double eps = 1e-5;
};
/// The fields allow_leak, warmup, momentum and eps, with what the norm says of the first two.
void describe_warmup(Fields& f, WarmupSettings& c, const char* leak, const char* warmup);

/// What a running norm was told beside its own settings.
struct RunningOptions {
  const char* name;
  bool allow_leak = false;
};

class RunningNorm : public Norm {
 public:
  using Norm::forward;
  at::Tensor forward(const at::Tensor& x, const NormInput& input) const override;

 protected:
  /// Declares gain and bias. Throws ConfigError if the leak is not allowed, or at a site inside an operator, which
  /// passes no SequenceContext.
  RunningNorm(const RunningOptions& options, const NormContext& context);

  /// Per channel. `other` is what the backward pass needs beside; mean and other may be undefined.
  struct Moments {
    at::Tensor scale, mean, other;
  };

 private:
  friend struct RunningFunction;
  /// For rows [n, d] of a micro-batch in training, after so many updates. Adds to accumulators if `record`.
  virtual Moments measure(const at::Tensor& rows, std::int64_t updates, bool record) const = 0;
  /// Gradient in the rows, where g [n, d] is that of z. Adds to accumulators.
  virtual at::Tensor gradient(const at::Tensor& g, const at::Tensor& z, const Moments& moments,
                              std::int64_t updates) const = 0;
  /// What stands between dy ⊙ z and the gain's gradient; undefined: 1.
  virtual at::Tensor gain_ratio(const Moments& /*moments*/) const { return {}; }
  /// From the buffers alone.
  virtual Moments frozen() const = 0;

  Param gain_, bias_;
};

/// Throws ConfigError at a site inside an operator, which passes no SequenceContext.
void check_running_site(const char* name, Site site);

/// Updates that the model has seen; 0 where nobody said.
std::int64_t updates_of(const NormInput& input);

/// Per channel, `shape` [d] or [window, d], with an accumulator [d + 1] for the sum over rows and their number.
/// `update` gets the mean of the rows and the number of the update, from 1; a step without rows leaves the value as it
/// is.
using MeanUpdate = std::function<at::Tensor(const at::Tensor& value, const at::Tensor& mean, std::int64_t number)>;
Buffer mean_buffer(const ParamScope& scope, const std::string& name, std::vector<std::int64_t> shape, double initial,
                   const MeanUpdate& update);
/// Adds rows [n, d] to such a buffer's accumulator; with weights [n, 1] of 0 or 1, those of weight 1.
void record_rows(const Buffer& buffer, const at::Tensor& rows);
void record_rows(const Buffer& buffer, const at::Tensor& rows, const at::Tensor& weights);

/// value moved by (1 - momentum) towards `mean`.
inline at::Tensor moving(const at::Tensor& value, const at::Tensor& mean, double momentum) {
  return momentum * value + (1 - momentum) * mean;
}

}  // namespace ingot::norms
