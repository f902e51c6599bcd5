#include "optim/rotated_adam.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/argsort.h>

#include "device/matmul.h"

namespace ingot {
namespace {

using namespace kronecker;

enum State : std::size_t { kM, kV, kLeft, kRight, kLeftBasis, kRightBasis, kNumStates };

/// A basis on its way to the eigenvectors of a factor.
struct Turn {
  at::Tensor factor, basis;
  at::Tensor next;   // the new basis
  at::Tensor order;  // of the old basis' columns, where they were sorted
};

/// One step of orthogonal iteration: Q <- the Q of QR(S·Q).
void take_turn(Turn& turn, bool first, bool sorted) {
  if (first) {
    turn.next = eigenbasis(turn.factor);
    return;
  }
  at::Tensor product = ingot::matmul(turn.factor, turn.basis);
  if (sorted) {
    turn.order = at::argsort((turn.basis * product).sum(0), /*dim=*/0, /*descending=*/true);
    product = product.index_select(1, turn.order);
  }
  turn.next = orthonormal(product);
}

}  // namespace

Granularity RotatedAdam::granularity(const Master& master) const {
  const auto r = rules();
  const bool whole = r.normalize || sides_of(master, r.max_precond_dim).count() > 0;
  return whole ? Granularity::kMatrix : Granularity::kElement;
}

std::vector<StateSpec> RotatedAdam::state_specs() const {
  const auto dim = rules().max_precond_dim;
  std::vector<StateSpec> specs = {full_state("exp_avg"),
                                  full_state("exp_avg_sq"),
                                  factor_state("left", Side::kLeft, dim),
                                  factor_state("right", Side::kRight, dim),
                                  factor_state("left_basis", Side::kLeft, dim),
                                  factor_state("right_basis", Side::kRight, dim)};
  for (auto& spec : more_states()) specs.push_back(std::move(spec));
  return specs;
}

RotatedAdam::Factors RotatedAdam::factors_of(const Slot& slot, const Rules& rules) {
  const auto sides = sides_of(*slot.master, rules.max_precond_dim);
  Factors out;
  if (sides.left) out.left = slot.states[kLeft], out.left_basis = slot.states[kLeftBasis];
  if (sides.right) out.right = slot.states[kRight], out.right_basis = slot.states[kRightBasis];
  out.more.assign(slot.states.begin() + kNumStates, slot.states.end());
  return out;
}

void RotatedAdam::direct(std::vector<Slot>& slots, const UpdateContext& context) const {
  const auto now = rules();
  each_on_one_thread(slots, [&](Slot& slot) { direct(slot, now, context); });
}

void RotatedAdam::direct(Slot& slot, const Rules& rules, const UpdateContext& context) const {
  const auto t = context.update - 1;  // of Adam
  auto factors = factors_of(slot, rules);
  const at::Tensor g = as_matrix(slot.master->grad) * context.grad_scale;
  at::Tensor projected;
  if (t == 0) {
    leave_weights(slot);
  } else {
    const auto transposed = [](const at::Tensor& q) { return q.defined() ? q.t() : q; };
    projected = sandwich(transposed(factors.left_basis), g, factors.right_basis);
    const at::Tensor ratio = rules.moments.ratio(as_matrix(slot.states[kM]), as_matrix(slot.states[kV]), projected);
    at::Tensor d = sandwich(factors.left_basis, ratio, transposed(factors.right_basis));
    if (rules.normalize) d = d / (d.square().mean().sqrt() + 1e-30);
    const double scale = rules.correct_bias ? rules.moments.correction(t) : 1;
    slot.direction.copy_(d.view(slot.direction.sizes())).mul_(scale * decay_after_step(slot));
  }
  observe(factors, g, projected);
  if (t % rules.frequency == 0) refresh(slot, rules, t == 0);
}

void RotatedAdam::refresh(Slot& slot, const Rules& rules, bool first) {
  const auto factors = factors_of(slot, rules);
  Turn left{factors.left, factors.left_basis, {}, {}}, right{factors.right, factors.right_basis, {}, {}};
  for (auto* turn : {&left, &right}) {
    if (turn->factor.defined()) take_turn(*turn, first, rules.sorted);
  }
  if (!first && (left.factor.defined() || right.factor.defined())) {
    at::Tensor m = as_matrix(slot.states[kM]), v = as_matrix(slot.states[kV]);
    m.copy_(sandwich(left.next.defined() ? ingot::matmul(left.next.t(), left.basis) : at::Tensor(), m,
                     right.next.defined() ? ingot::matmul(right.basis.t(), right.next) : at::Tensor()));
    if (left.order.defined()) v.copy_(v.index_select(0, left.order));
    if (right.order.defined()) v.copy_(v.index_select(1, right.order));
  }
  for (auto* turn : {&left, &right}) {
    if (turn->next.defined()) turn->basis.copy_(turn->next);
  }
}

}  // namespace ingot
