// The decaying recurrence in chunks of C rows. b_i = g_1 + ... + g_i within the chunk, G_ij = exp(b_i - b_j) for visible
// pairs (j <= i, both rows of one document), E_i = exp(b_i - what b was before the row's document, 0 in the carried one),
// r_i = exp(b_C - b_i) in the chunk's last document, else 0:
//
//   Y = E ∘ (Q S) + (Q Kᵀ ∘ G) V;   S' = E_C S + (r ∘ K)ᵀ V
//
// with the fresh state in place of S for rows of a document begun in the chunk. Heads of one group share Q and K, so their
// values lie side by side in the products with states.

#include <ATen/TensorOperators.h>
#include <ATen/ops/cumsum.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <limits>

#include "ops/kernel_types.h"
#include "ops/ssd/ssd.h"

namespace ingot::ops {

namespace {

/// [B, H, dk, dv] -> [B, G, dk, R dv], R = H / G heads side by side.
at::Tensor group_state(const at::Tensor& state, std::int64_t groups) {
  return state.unflatten(1, {groups, -1}).transpose(2, 3).flatten(3);
}

at::Tensor ungroup_state(const at::Tensor& state, std::int64_t heads_per_group) {
  return state.unflatten(3, {heads_per_group, -1}).transpose(2, 3).flatten(1, 2);
}

}  // namespace

Recurrence chunk_ssd(const at::Tensor& q_rows, const at::Tensor& k_rows, const at::Tensor& v_rows,
                     const at::Tensor& g_rows, const RecurrentStates& states, const DocumentChunks& documents,
                     std::int64_t chunk) {
  const at::ScalarType type = wide_type(v_rows.scalar_type());
  const std::int64_t length = q_rows.size(1), batch = q_rows.size(0), groups = q_rows.size(2);
  const std::int64_t heads = v_rows.size(2), per_group = heads / groups, dk = q_rows.size(3), dv = v_rows.size(3);
  const bool several = documents.defined();
  const at::Tensor q = to_chunks(q_rows.to(type), chunk).transpose(2, 3);  // [B, N, G, C, dk]
  const at::Tensor k = to_chunks(k_rows.to(type), chunk).transpose(2, 3);
  const at::Tensor v = to_chunks(v_rows.to(type), chunk);                        // [B, N, C, H, dv]
  const at::Tensor g = to_chunks(g_rows.to(type), chunk).permute({0, 1, 3, 2});  // [B, N, H, C]
  const at::Tensor b = g.cumsum(-1);
  const at::Tensor visible =
      several ? documents.visible.unsqueeze(2) : at::ones({chunk, chunk}, g.options().dtype(at::kBool)).tril();

  // Masked before the exponential: what lies above the diagonal would overflow.
  const at::Tensor difference =
      (b.unsqueeze(-1) - b.unsqueeze(-2)).masked_fill(visible.logical_not(), -std::numeric_limits<double>::infinity());
  const at::Tensor scores = at::matmul(q, k.transpose(-1, -2)).repeat_interleave(per_group, 2) * difference.exp();
  at::Tensor y = at::matmul(scores, v.transpose(2, 3));  // [B, N, H, C, dv]

  at::Tensor since = b, to_end = (b.narrow(-1, chunk - 1, 1) - b).exp();
  at::Tensor carried;
  if (several) {
    const at::Tensor before = (b - g).gather(3, documents.start.unsqueeze(2).expand_as(b));
    carried = documents.carried.unsqueeze(2).to(type);  // [B, N, 1, C]
    since = b - before * (1 - carried);
    to_end = to_end * documents.last.unsqueeze(2).to(type);
  }
  const at::Tensor decay = since.exp();  // E [B, N, H, C]
  const at::Tensor kept = several ? decay * carried : decay;

  // [B, N, G, dk, R dv]
  const at::Tensor weighted = (v * to_end.transpose(2, 3).unsqueeze(-1)).unflatten(3, {groups, per_group});
  const at::Tensor added = at::matmul(k.transpose(-1, -2), weighted.transpose(2, 3).flatten(4));
  const auto start = [&](const at::Tensor& state) {
    const std::vector<std::int64_t> shape = {batch, heads, dk, dv};
    return group_state(start_state(state, shape, v.options()), groups);
  };
  const auto per_head = [&](const at::Tensor& factor) {  // [B, N, H] -> [B, N, G, 1, R dv]
    return factor.unflatten(2, {groups, per_group})
        .unsqueeze(-1)
        .expand({batch, factor.size(1), groups, per_group, dv})
        .flatten(3)
        .unsqueeze(3);
  };
  const at::Tensor keep = per_head(kept.select(3, chunk - 1));
  const bool has_fresh = several && states.fresh.defined();
  at::Tensor fresh, restart;
  if (has_fresh) {
    fresh = start(states.fresh);
    restart = per_head((decay * (1 - carried)).select(3, chunk - 1));
  }
  at::Tensor state = start(states.incoming);
  std::vector<at::Tensor> entered;
  for (std::int64_t n = 0; n < q.size(1); ++n) {
    entered.push_back(state);
    state = state * keep.select(1, n) + added.select(1, n);
    if (has_fresh) state = state + fresh * restart.select(1, n);
  }
  const auto read = [&](const at::Tensor& source,
                        const at::Tensor& factor) {  // [B, N, G, dk, R dv] -> [B, N, H, C, dv]
    return at::matmul(q, source).unflatten(4, {per_group, dv}).transpose(3, 4).flatten(2, 3) * factor.unsqueeze(-1);
  };
  y = y + read(at::stack(entered, 1), kept);
  if (has_fresh) y = y + read(fresh.unsqueeze(1), decay * (1 - carried));
  return {from_chunks(y.transpose(2, 3), length).to(v_rows.scalar_type()), ungroup_state(state, per_group)};
}

}  // namespace ingot::ops
