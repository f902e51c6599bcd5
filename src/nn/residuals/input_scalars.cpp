// Learned mix of stream and embedding: before each block x <- r x + s x_0, then x_{n+1} = x_n + f_n(x_n)
//
//   x_0 is the embedding; r and s are one number each for a block, starting at 1 and 0, or on a line from a first
//   block's value to the last one's.
//   Karpathy 2025, nanochat (`resid_lambdas`, `x0_lambdas`), after K. Jordan et al., modded-nanogpt.

#include <ATen/TensorOperators.h>

#include <optional>

#include "config/fields.h"
#include "nn/norm_parts.h"
#include "nn/placement.h"
#include "nn/residual_parts.h"

namespace ingot {
namespace input_scalars {

struct Config {
  double stream_start = 1;
  std::optional<double> stream_start_last;
  double embedding_start = 0;
  std::optional<double> embedding_start_last;
};

void describe(Fields& f, Config& c) {
  f.field("stream_start", c.stream_start, "factor of the stream at the start, in the first block");
  f.field("stream_start_last", c.stream_start_last,
          "the same in the last block, with a straight line between; absent: as in the first");
  f.field("embedding_start", c.embedding_start, "factor of the embedding at the start, in the first block");
  f.field("embedding_start_last", c.embedding_start_last,
          "the same in the last block, with a straight line between; absent: as in the first");
}

class InputScalars final : public Residual {
 public:
  InputScalars(const Config& config, const ResidualContext& context) {
    residuals::refuse_factors(context, "input_scalars");
    const int last = block_of(context.num_sublayers - 1);
    const auto between = [last](int block, double first, const std::optional<double>& end) {
      return last > 0 ? first + (end.value_or(first) - first) * block / last : first;
    };
    for (int block = 0; block <= last; ++block) {
      const ParamScope scope = context.scope(2 * block);
      const double stream = between(block, config.stream_start, config.stream_start_last);
      const double embedding = between(block, config.embedding_start, config.embedding_start_last);
      stream_.push_back(scope.declare(norms::scalar_spec("stream_scale", stream)));
      embedding_.push_back(scope.declare(norms::scalar_spec("embedding_scale", embedding)));
    }
  }

  Stream begin(const at::Tensor& x) const override { return {{x, x}}; }
  at::Tensor read(int depth, const Stream& stream) const override { return entering(depth, stream); }
  Stream join(int depth, const Stream& stream, const at::Tensor& branch, const Pass& /*pass*/) const override {
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
  add_entry<input_scalars::Config, input_scalars::InputScalars>(
      family, "input_scalars", "Mixes the embedding into the stream before every block.", "Karpathy 2025, nanochat")
      .samples = {"{stream_start: 0.9, stream_start_last: 0.5, embedding_start: 0.1}"};
}

}  // namespace ingot
