// Branches that end in zeros: the model starts as its embedding and head alone, and each branch grows from nothing.
//
//   W = 0            what writes the stream; with `head: true` a head that is not the embedding too
//   W as `inner`     the rest
//
// Usual since GPT-like speed runs with Muon; the idea is that of Goyal et al. 2017, "Accurate, Large Minibatch SGD",
// arXiv:1706.02677, section 5.1 (a residual block's last gain at 0). Where `inner` brings a factor of the embedding,
// as small_init does, the config has to set it.

#include "params/init_parts.h"

namespace ingot {
namespace zero_outputs {
namespace {

struct Config {
  Variant<InitEntry> inner{"normal"};
  bool head = false;
};

void describe(Fields& f, Config& c) {
  f.field("inner", c.inner, "start values of everything else");
  f.field("head", c.head, "whether a head that is not tied to the embedding starts at zero too");
}

class ZeroOutputs final : public inits::OnTop {
 public:
  ZeroOutputs(const Config& config, std::shared_ptr<const Init> inner, const InitContext& /*context*/)
      : OnTop(std::move(inner)), head_(config.head) {}
  void fill(at::Tensor& weight, const ParamInfo& info, RandomStream& random) const override {
    if (is_zero(info)) return void(weight.zero_());
    inner().fill(weight, info, random);
  }
  std::string text(const ParamInfo& info) const override { return is_zero(info) ? "zeros" : inner().text(info); }
  bool scales_with_depth() const override { return false; }

 private:
  bool is_zero(const ParamInfo& info) const {
    const bool is_head = info.roles.has(Role::kHead) && !info.roles.has(Role::kEmbedding);
    return info.roles.has(Role::kWritesStream) || (head_ && is_head);
  }

  bool head_;
};

}  // namespace
}  // namespace zero_outputs

void register_zero_outputs(Family<InitEntry>& family) {
  inits::add_on_top<zero_outputs::Config, zero_outputs::ZeroOutputs>(
      family, "zero_outputs", "Zeros in the last matrix of each branch, another init elsewhere.",
      "Goyal et al. 2017, arXiv:1706.02677, section 5.1", {"{inner: {type: xavier}, head: true}"});
}

}  // namespace ingot
