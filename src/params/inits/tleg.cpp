// Linear expansion of two blocks: every block starts on one line through the weights, however deep the model is.
//
//   W_l = A + (l / N) B      l = 0 .. N - 1: number of the block, N: blocks of two residual branches
//   A, B ~ `inner`           drawn once for all parameters of one name within an operator
//   W as `inner`             embedding, head and whatever else lies outside the stack
//
// Xia et al. 2024, "Transformer as Linear Expansion of Learngene", arXiv:2312.05614, section 3 (there l counts
// from 1), released code. The paper first trains A and B under this tie with a teacher, then starts models of any depth
// from them without it; this is the start. What is trained already is grown by `train.start_from.expand`, rule
// `linear`. Parameters whose start values their module fixes, such as gains, keep them.

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include "base/random.h"
#include "params/init_parts.h"

namespace ingot {
namespace tleg {
namespace {

struct Config {
  Variant<InitEntry> inner{"normal"};
};

void describe(Fields& f, Config& c) { f.field("inner", c.inner, "start values of A, of B, and outside the stack"); }

class Tleg final : public inits::OnTop {
 public:
  Tleg(const Config& /*config*/, std::shared_ptr<const Init> inner, const InitContext& context)
      : OnTop(std::move(inner)), blocks_(std::ceil(context.blocks())) {}

  void fill(at::Tensor& weight, const ParamInfo& info, RandomStream& random) const override {
    if (info.depth < 0) return inner().fill(weight, info, random);
    at::Tensor a = at::empty(info.shape, at::kDouble), b = at::empty(info.shape, at::kDouble);
    inner().fill(a, info, random);
    inner().fill(b, info, random);
    weight.copy_(a + share(info) * b);
  }
  std::string text(const ParamInfo& info) const override {
    const auto drawn = inner().text(info);
    return info.depth < 0 ? drawn : cat("A + ", format_double(share(info)), " B, each ", drawn);
  }
  /// "D/mixer.q.weight": the name without its place in the stack.
  std::string random_key(const ParamInfo& info) const override {
    const auto number = cat(".", info.depth, ".");
    const auto at = info.depth < 0 ? std::string::npos : info.name.find(number);
    return at == std::string::npos ? inner().random_key(info) : cat(info.op, "/", info.name.substr(at + number.size()));
  }

 private:
  double share(const ParamInfo& info) const { return std::floor(info.depth / 2.0) / blocks_; }
  double blocks_;  // N
};

}  // namespace
}  // namespace tleg

void register_tleg(Family<InitEntry>& family) {
  inits::add_on_top<tleg::Config, tleg::Tleg>(family, "tleg", "Every block on one line between two random ones.",
                                              "Xia et al. 2024, arXiv:2312.05614, section 3",
                                              {"{inner: {type: xavier}}"});
}

}  // namespace ingot
