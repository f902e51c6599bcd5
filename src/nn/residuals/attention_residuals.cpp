// Attention residuals: h_n = Σ_i p_i v_i, p = softmax_i(w_n · v_i / rms(v_i)) over the embedding v_0 and all earlier
// outputs v_i = f_{i-1}(h_{i-1})
//
//   h_n [B, T, D] is what sub-layer n reads, w_n [D] learned, starting at 0: then h_n is the mean of what came before.
//   The head reads one more such sum. The stream is the list of outputs; the sum keeps nothing for the backward pass
//   beside them and one number for each token and output.
//   Block form: the v_i are the embedding and, for each block of S = ceil(N/blocks) of the N sub-layers, the sum of its
//   outputs so far. The stream then has blocks + 1 tensors instead of N + 1.
//   "Attention Residuals", arXiv:2603.15031.

#include <ATen/TensorOperators.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>

#include <algorithm>

#include "base/text.h"
#include "config/fields.h"
#include "config/limits.h"
#include "nn/norm_parts.h"
#include "nn/residual_parts.h"
#include "ops/kernel_types.h"

namespace ingot {
namespace attention_residuals {

struct Config {
  std::optional<std::int64_t> blocks;
};

void describe(Fields& f, Config& c) {
  f.field("blocks", c.blocks,
          "number of groups of successive sub-layers whose outputs are added up; absent: each output stands alone",
          Rule{}.at_least(1).at_most(limits::kWidth));
}

class AttentionResiduals final : public Residual {
 public:
  AttentionResiduals(const Config& config, const ResidualContext& context) {
    residuals::refuse_factors(context, "attention_residuals");
    const int blocks = static_cast<int>(config.blocks.value_or(context.num_sublayers));
    block_size_ = std::max(1, (context.num_sublayers + blocks - 1) / blocks);
    const ParamSpec spec = norms::vector_spec("query", context.d_model, 0);
    query_.emplace_back();  // the first sub-layer has the embedding alone
    for (int depth = 1; depth < context.num_sublayers; ++depth) query_.push_back(context.scope(depth).declare(spec));
    query_.push_back(context.scope(-1).declare(spec));
  }

  Stream begin(const at::Tensor& x) const override { return {{x}}; }
  at::Tensor read(int depth, const Stream& stream) const override {
    return attend(query_.at(static_cast<std::size_t>(depth)), stream.tensors);
  }
  Stream join(int depth, const Stream& stream, const at::Tensor& branch, const Pass& /*pass*/) const override {
    Stream next = stream;
    const at::Tensor output = branch.to(stream.tensors.front().scalar_type());
    if (depth % block_size_ == 0) {
      next.tensors.push_back(output);
    } else {
      next.tensors.back() = next.tensors.back() + output;
    }
    return next;
  }
  at::Tensor end(const Stream& stream) const override { return attend(query_.back(), stream.tensors); }
  /// The norm of what the last output has just joined.
  Stream map(Stream stream, const NormFunction& norm) const override {
    stream.tensors.back() = norm(stream.tensors.back());
    return stream;
  }
  Stream begin_at(int depth, const at::Tensor& x) const override {
    return {std::vector<at::Tensor>(static_cast<std::size_t>(num_values(depth)), x)};
  }
  int kind_of_work(int depth) const override { return num_values(depth); }
  std::string text(int depth) const override { return cat("reads ", num_values(depth), " outputs"); }

 private:
  /// That sub-layer `depth` reads.
  int num_values(int depth) const { return 1 + (depth + block_size_ - 1) / block_size_; }

  static at::Tensor attend(const Param& query, const std::vector<at::Tensor>& values) {
    if (values.size() == 1) return values[0];
    const at::ScalarType type = values[0].scalar_type(), wide = ops::wide_type(type);
    const at::Tensor w = query.compute().to(type);
    std::vector<at::Tensor> scores;
    for (const at::Tensor& v : values) {
      const at::Tensor mean_square = v.square().mean(-1, false, wide);
      scores.push_back((v * w).sum(-1, false, wide) * (mean_square + 1e-6).rsqrt());
    }
    const std::vector<at::Tensor> p = at::softmax(at::stack(scores, -1), -1).to(type).split(1, -1);
    at::Tensor sum = values[0] * p[0];
    for (std::size_t i = 1; i < values.size(); ++i) sum = sum + values[i] * p[i];
    return sum;
  }

  int block_size_ = 1;        // sub-layers
  std::vector<Param> query_;  // of the sub-layers and the head
};

}  // namespace attention_residuals

void register_attention_residuals(Family<ResidualEntry>& family) {
  add_entry<attention_residuals::Config, attention_residuals::AttentionResiduals>(
      family, "attention_residuals", "Reads a learned average of the embedding and all earlier outputs.",
      "arXiv:2603.15031")
      .samples = {"{blocks: 2}"};
}

}  // namespace ingot
