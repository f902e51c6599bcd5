// FixNorm: word vectors of one length.
//
//   E_t = r w_t / |w_t|
//
// w [vocabulary, d_model], the embedding and the head; r is `length`. Of frequent words the vectors get longer in
// training, for no reason that lies in their meaning. Nguyen & Chiang 2018, "Improving Lexical Choice in Neural Machine
// Translation", arXiv:1710.01329; Nguyen & Salazar 2019, "Transformers without Tears", arXiv:1910.05895, section 2.3.
// As in the latter's code r = 1 and w starts uniform within ±0.01 there (`weights.init`); that model multiplies what
// is looked up by √d_model. The gradient is that of weight_conditioning.

#include "config/fields.h"
#include "params/row_lengths.h"

namespace ingot {
namespace fix_norm {
namespace {

struct FixNormConfig {
  double length = 1;
};

void describe(Fields& f, FixNormConfig& c) { f.field("length", c.length, "the length of every row", Rule{}.above(0)); }

class FixNorm final : public row_lengths::FixedLength {
 public:
  explicit FixNorm(const FixNormConfig& config) : FixedLength(config.length) {}
  bool applies(const ParamInfo& info) const override {
    return info.shape.size() == 2 && info.roles.any({Role::kEmbedding, Role::kHead});
  }
};

}  // namespace
}  // namespace fix_norm

void register_fix_norm(Family<ParametrizationEntry>& family) {
  add_parametrization<fix_norm::FixNormConfig, fix_norm::FixNorm>(
      family, "fix_norm", "Rows of embedding and head of one length.", "Nguyen & Salazar 2019, arXiv:1910.05895",
      {"{length: 3}"});
}

}  // namespace ingot
