// Learned mix of stream and embedding: before each block x <- r x + s x_0, then x_{n+1} = x_n + f_n(x_n)
//
//   x_0 is the embedding; r and s are one number each for a block, starting at 1 and 0.
//   Karpathy 2025, nanochat (`resid_lambdas`, `x0_lambdas`), after K. Jordan et al., modded-nanogpt.

#include <ATen/TensorOperators.h>

#include "config/fields.h"
#include "nn/norm_parts.h"
#include "nn/placement.h"
#include "nn/residual_parts.h"

namespace ingot {
namespace input_scalars {

struct Config {
  double embedding_start = 0;
};

void describe(Fields& f, Config& c) {
  f.field("embedding_start", c.embedding_start, "factor of the embedding at the start");
}

class InputScalars final : public Residual {
 public:
  InputScalars(const Config& config, const ResidualContext& context) {
    residuals::refuse_factors(context, "input_scalars");
    for (int depth = 0; depth < context.num_sublayers; depth += 2) {
      stream_.push_back(context.scope(depth).declare(norms::scalar_spec("stream_scale", 1)));
      embedding_.push_back(context.scope(depth).declare(norms::scalar_spec("embedding_scale", config.embedding_start)));
    }
  }

  Stream begin(const at::Tensor& x) const override { return {{x, x}}; }
  at::Tensor read(int depth, const Stream& stream) const override { return entering(depth, stream); }
  Stream join(int depth, const Stream& stream, const at::Tensor& branch) const override {
    return {{residuals::add_branch(entering(depth, stream), 1, branch, 1), stream.tensors[1]}};
  }
  at::Tensor end(const Stream& stream) const override { return stream.tensors.front(); }
  Stream map(Stream stream, const NormFunction& norm) const override {
    stream.tensors.front() = norm(stream.tensors.front());
    return stream;
  }

 private:
  /// The stream as the sub-layer finds it: mixed anew where a block begins.
  at::Tensor entering(int depth, const Stream& stream) const {
    const at::Tensor& x = stream.tensors[0];
    if (depth % 2 != 0) return x;
    const auto block = static_cast<std::size_t>(block_of(depth));
    return (x * stream_.at(block).compute() + stream.tensors[1] * embedding_.at(block).compute()).to(x.scalar_type());
  }

  std::vector<Param> stream_, embedding_;
};

}  // namespace input_scalars

void register_input_scalars(Family<ResidualEntry>& family) {
  using input_scalars::Config;
  ResidualEntry& e = family.add<Config>("input_scalars", "Mixes the embedding into the stream before every block.",
                                        "Karpathy 2025, nanochat");
  e.make = residuals::maker<input_scalars::InputScalars, Config>();
}

}  // namespace ingot
