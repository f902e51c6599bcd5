// Learned absolute positions: x_t + weight[t]
//
//   weight [L, d], L = prefix + seq_len; t counts from the document's start, the prefix included. Added to the
//   embedding.
//   Gehring et al. 2017, arXiv:1705.03122; as in GPT-2.

#include <ATen/TensorOperators.h>
#include <ATen/ops/embedding.h>

#include "base/error.h"
#include "config/fields.h"
#include "nn/position.h"
#include "registry/add_entry.h"

namespace ingot {
namespace learned {

struct Config {};

void describe(Fields& /*f*/, Config& /*c*/) {}

class Learned final : public Position {
 public:
  explicit Learned(const PositionContext& context) {
    if (!context.at_embedding)
      throw ConfigError("learned positions are added to the embedding: they belong to `model.position`");
    ParamSpec spec;
    spec.name = "weight";
    spec.shape = {context.max_length, context.d_model};
    spec.roles = Role::kPosition;
    spec.hidden_axis = 1;
    weight_ = context.scope.declare(spec);
  }

  at::Tensor embed(const at::Tensor& x, const SequenceContext& context) const override {
    return x + at::embedding(weight_.compute(), context.position).to(x.scalar_type());
  }

  std::optional<std::int64_t> max_length() const override { return weight_.info().shape.at(0); }

 private:
  Param weight_;
};

at::Tensor reference(const Config& /*config*/, const at::Tensor& x, const at::Tensor& position,
                     const ParamMap& params) {
  const at::Tensor rows = params.at("weight").index_select(0, position.flatten());
  return x + rows.view({position.size(0), position.size(1), x.size(-1)}).to(x.scalar_type());
}

}  // namespace learned

void register_learned(Family<PositionEntry>& family) {
  add_entry<learned::Config, learned::Learned>(family, "learned",
                                               "Adds a learned vector for each position to the embedding.",
                                               "Gehring et al. 2017, arXiv:1705.03122");
}

}  // namespace ingot
