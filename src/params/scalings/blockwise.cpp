// Learning rates by the kind of block, in the order of their sharpness: norms are sharp, embeddings flat.
//
//   lr = η · (embedding 10, qk 8, ffn 6, vo 4, norm 1)       η: as the config has it, the rate of the norms
//
// qk: what makes queries and keys, with Mamba2's c and b, which have their part; vo: v and o, with x, z and out; ffn:
// gate, up and down. Tables of tokens and positions are embeddings, a tied head too; gains and biases are norms. The
// paper knows transformers alone: everything else (an untied head, meta tokens, convolutions, beta, dt, a_log, d) keeps
// η, or `head` and `other` times it. Decay acts through the rate, as in the authors' AdamW, unless `keep_decay`: then
// the product of rate and decay stays that of η. Steps of orthogonalised matrices (Muon) keep η. Wang et al. 2025, "The
// Sharpness Disparity Principle in Transformers for Accelerating Language Model Pre-Training", arXiv:2502.19002; the
// authors' code has the groups, with the head at η, its README the factors.

#include <algorithm>

#include "config/fields.h"
#include "params/scaling.h"

namespace ingot::blockwise {
namespace {

struct BlockwiseConfig {
  double embedding = 10, qk = 8, vo = 4, ffn = 6, norm = 1, head = 1, other = 1;
  bool keep_decay = false;
};

void describe(Fields& f, BlockwiseConfig& c) {
  const auto factor = [&](const char* name, double& value, const char* doc) {
    f.field(name, value, doc, Rule{}.above(0));
  };
  factor("embedding", c.embedding, "factor of the rate of tables of tokens and positions");
  factor("qk", c.qk, "of matrices that make queries and keys");
  factor("vo", c.vo, "of matrices that make values, and of mixers' outputs");
  factor("ffn", c.ffn, "of the matrices of ffns");
  factor("norm", c.norm, "of gains and biases");
  factor("head", c.head, "of a head of its own");
  factor("other", c.other, "of everything else");
  f.field("keep_decay", c.keep_decay, "divide weight decay by the factor, so that rate times decay is as without it");
}

bool is_one_of(const std::string& part, std::initializer_list<const char*> parts) {
  return std::find(parts.begin(), parts.end(), part) != parts.end();
}

class Blockwise final : public Scaling {
 public:
  explicit Blockwise(const BlockwiseConfig& config) : c_(config) {}

  double lr(const ParamInfo& info, UpdateSize size) const override {
    const bool elementwise = size == UpdateSize::kGradient || size == UpdateSize::kNormalised;
    return elementwise ? factor(info) : 1;
  }
  double weight_decay(const ParamInfo& info, UpdateSize size) const override {
    return c_.keep_decay ? 1 / lr(info, size) : 1;
  }

 private:
  double factor(const ParamInfo& info) const {
    if (info.roles.any({Role::kEmbedding, Role::kPosition})) return c_.embedding;
    if (info.roles.has(Role::kHead)) return c_.head;
    if (info.roles.any({Role::kGain, Role::kBias})) return c_.norm;
    if (!is_weight_matrix(info)) return c_.other;
    if (is_one_of(info.part, {"q", "k", "c", "b"})) return c_.qk;
    if (is_one_of(info.part, {"v", "o", "x", "z", "out"})) return c_.vo;
    return is_one_of(info.part, {"gate", "up", "down"}) ? c_.ffn : c_.other;
  }

  BlockwiseConfig c_;
};

}  // namespace
}  // namespace ingot::blockwise

namespace ingot {

void register_blockwise(Family<ScalingEntry>& family) {
  using namespace blockwise;
  add_scaling<BlockwiseConfig, Blockwise>(family, "blockwise", "Learning rates by the kind of block.",
                                          "Wang et al. 2025, arXiv:2502.19002", {"{embedding: 5, keep_decay: true}"});
}

}  // namespace ingot
