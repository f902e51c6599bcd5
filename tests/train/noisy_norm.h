#pragma once
// A norm for tests that does what an embedding dropout and a router's balance do: noise and a loss of its own.

#include <ATen/TensorOperators.h>

#include <memory>
#include <string>
#include <vector>

#include "nn/context.h"
#include "nn/noise.h"
#include "nn/norm.h"
#include "train/samples.h"

namespace ingot::testing {

/// y = x, in training with a quarter of the entries 0 and the rest times 4/3; adds the loss mean_square = 0.1 Σ mean
/// x².
class NoisyNorm final : public Norm {
 public:
  using Norm::forward;
  explicit NoisyNorm(const NormContext& context)
      : site_(context.scope.prefix()), square_(context.scope.declare_loss("mean_square")) {}

  at::Tensor forward(const at::Tensor& x, const NormInput& input) const override {
    const SequenceContext& sequence = *input.sequence;
    const at::Tensor y = sequence.add_loss(x, square_, 0.1, x.square().mean(-1).sum());
    if (!sequence.pass.training) return y;
    const at::Tensor keep = uniform_noise(sequence.pass, site_, {x.size(1), x.size(2)}) >= 0.25;
    return y * keep.to(x.scalar_type()) / 0.75;
  }

 private:
  std::string site_;
  LossTerm square_;
};

struct NoSettings {};
inline void describe(Fields& /*f*/, NoSettings& /*c*/) {}

/// Bound to an entry that no family of the program has.
inline Variant<NormEntry> noisy_norm() {
  static const auto family = [] {
    auto made = std::make_unique<Family<NormEntry>>();
    NormEntry& e = made->add<NoSettings>("noisy", "For tests.", "none");
    e.make = [](const ConfigObject&, const NormContext& context) { return std::make_unique<NoisyNorm>(context); };
    return made;
  }();
  const NormEntry& entry = family->at("noisy");
  Variant<NormEntry> variant("noisy");
  variant.bind(entry, entry.defaults);
  return variant;
}

/// The tiny hybrid with that norm everywhere, the embedding included.
inline RunConfig noisy_config(const Families& families, const std::vector<std::string>& overrides = {}) {
  auto config = tiny_config(families, overrides);
  config.model.norm = noisy_norm();
  config.model.sites.emplace_back("embedding", noisy_norm());
  return config;
}

/// Rows [first, first + count) of a batch.
inline Batch rows_of(const Batch& batch, std::int64_t first, std::int64_t count) {
  Batch part;
  part.rows = count;
  part.seq_len = batch.seq_len;
  const auto copy = [&](const auto& from, auto& to, std::int64_t width) {
    to.assign(from.begin() + first * width, from.begin() + (first + count) * width);
  };
  copy(batch.tokens, part.tokens, batch.seq_len);
  copy(batch.targets, part.targets, batch.seq_len);
  copy(batch.documents, part.documents, batch.seq_len);
  copy(batch.samples, part.samples, 1);
  for (const auto target : part.targets) part.target_count += target >= 0 ? 1 : 0;
  return part;
}

}  // namespace ingot::testing
