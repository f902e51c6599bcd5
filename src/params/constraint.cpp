#include "params/constraint.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>

#include "config/fields.h"

namespace ingot {

void describe(Fields& f, ConstraintSchedule& c) {
  f.field("start", c.start,
          "how long the weights stay free at the beginning; without it they are constrained from the start",
          Rule{}.at_least(0));
  f.field("every", c.every, "updates from one time to the next; without it after each", Rule{}.at_least(1));
  f.field("match", c.match, "the parameters that it constrains, of those that it is defined for; without it all");
}

std::vector<at::Tensor> make_states(const Constraint& constraint, const ParamInfo& info,
                                    const at::TensorOptions& options) {
  return make_states(constraint.states(info), options);
}

namespace {

/// A constraint at work on one weight, with a learning rate of 1; decay takes the share `decay`.
class Trial {
 public:
  Trial(const Constraint& constraint, const ParamInfo& info, const at::Tensor& weight, double decay = 0)
      : constraint_(constraint), info_(info), states_(make_states(constraint, info, weight.options())), decay_(decay) {
    constraint.begin(weight, context(0));
  }
  void change_direction(at::Tensor& direction, const at::Tensor& weight) {
    if (constraint_.changes_updates()) constraint_.change_direction(direction, weight, context(1));
  }
  void apply(at::Tensor& weight) { constraint_.apply(weight, context(1)); }
  bool moves(const at::Tensor& weight) {
    at::Tensor moved = weight.clone();
    apply(moved);
    return !are_close(moved, weight);
  }
  static bool are_close(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>() < 1e-9; }

 private:
  ConstraintContext context(std::int64_t update) { return {info_, update, 1, 1, states_, decay_}; }

  const Constraint& constraint_;
  const ParamInfo& info_;
  std::vector<at::Tensor> states_;
  double decay_;
};

/// A parameter like `info`, but small.
ParamInfo small(const ParamInfo& info) {
  ParamInfo out = info;
  out.shape = info.shape.size() == 2 ? std::vector<std::int64_t>{2, 3} : std::vector<std::int64_t>{6};
  return out;
}

at::Tensor sample_weight(const ParamInfo& info, double size) {
  return size * at::arange(1, 7, at::kDouble).view(info.shape);
}

}  // namespace

bool fixes_scale(const Constraint& constraint, const ParamInfo& info) {
  const ParamInfo like = small(info);
  const at::Tensor start = sample_weight(like, 1e-2);  // below whatever bounds a norm without fixing it
  const auto end_of = [&](double decay) {
    Trial trial(constraint, like, start, decay);
    at::Tensor direction = at::zeros_like(start);
    trial.change_direction(direction, start);
    at::Tensor weight = (1 - decay) * start - direction;
    trial.apply(weight);
    return weight;
  };
  return Trial::are_close(end_of(0), end_of(0.5));
}

bool undoes(const Constraint& second, const Constraint& first, const ParamInfo& info) {
  const ParamInfo like = small(info);
  at::Tensor weight = sample_weight(like, 1);
  Trial before(first, like, weight);
  before.apply(weight);
  Trial after(second, like, weight);
  after.apply(weight);
  at::Tensor direction = at::tensor({-5, 1, 2, -1, 3, -4}, at::kDouble).view(like.shape);
  before.change_direction(direction, weight);
  after.change_direction(direction, weight);
  weight.sub_(direction);
  before.apply(weight);
  after.apply(weight);
  return before.moves(weight);
}

}  // namespace ingot
