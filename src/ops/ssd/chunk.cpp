// The decaying recurrence in chunks of C rows. b_i = g_1 + ... + g_i within the chunk; D_ij = q_i·k_j exp(b_i - b_j) for visible
// pairs (j <= i, both rows of one document); e_i = exp(sum of g over the document's rows up to i in the chunk), split into
// ec for rows of the carried document and ef for the others; r_j = exp(b_C - b_j) in the document that the chunk ends in,
// else 0; F the fresh state:
//
//   Y = ec (Q S) + ef (Q F) + D V;   S' = ec_C S + ef_C F + Kᵀ (r V)                                  (ssd/scan.h)
//
// Backward, with G the gradient of S' and R_ij = dD_ij exp(b_i - b_j), dD = dY Vᵀ:
//
//   dS = ec_C G + Qᵀ (ec dY)                                                      (the same scan, reversed)
//   dQ = (ec dY) Sᵀ + (ef dY) Fᵀ + R K;   dK = (r V) Gᵀ + Rᵀ Q;   dV = r (K G) + Dᵀ dY
//   d log e_i = <ec dY, Q S>_i + <ef dY, Q F>_i, at i = C also ec <S, G> + ef <F, G>;   d log r_j = <r V, K G>_j
//   dg_t = sum over visible (i, t) of d log e_i + sum over j < t of d log r_j + sum over j < t <= i of (dD D)_ij
//
// Sums of unlike sign stay apart from one another until they are short. Heads of one group share Q and K: their values lie side
// by side in the products with states, as they do in memory, and only the products with D go head by head.

#include <ATen/ExpandUtils.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cumsum.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/flip.h>
#include <ATen/ops/matmul.h>
#include <torch/csrc/autograd/custom_function.h>

#include "ops/chunk/products.h"
#include "ops/kernel_types.h"
#include "ops/ssd/decay.h"
#include "ops/ssd/scan.h"
#include "ops/ssd/ssd.h"

namespace ingot::ops {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Inputs {
  at::Tensor q, k, v, g;       // rows
  at::Tensor incoming, fresh;  // may be undefined
  DocumentChunks documents;
  std::int64_t chunk = 0;

  std::int64_t groups() const { return q.size(2); }
  std::int64_t per_group() const { return v.size(2) / q.size(2); }
  std::int64_t num_chunks() const { return ops::num_chunks(q.size(1), chunk); }
  at::ScalarType type() const { return product_type(v); }
  at::ScalarType wide() const { return wide_type(v.scalar_type()); }
  bool has_fresh() const { return documents.defined() && fresh.defined(); }
};

/// [B, T, G, d] -> [B, N, G, C, d].
at::Tensor group_chunks(const Inputs& in, const at::Tensor& rows) {
  return to_chunks(rows.to(in.type()), in.chunk).transpose(2, 3).contiguous();
}

/// Values of a group's heads side by side: [B, N, C, H, dv] -> [B N G, C, R dv].
at::Tensor side_by_side(const Inputs& in, const at::Tensor& x) {
  return x.unflatten(3, {in.groups(), in.per_group()}).transpose(2, 3).flatten(4).contiguous().flatten(0, 2);
}

/// [B N G, C, R dv] -> [B, N, C, H, dv].
at::Tensor apart(const Inputs& in, const at::Tensor& x) {
  return x.unflatten(0, {in.q.size(0), in.num_chunks(), in.groups()})
      .unflatten(4, {in.per_group(), -1})
      .transpose(2, 3)
      .flatten(3, 4);
}

/// [B, T, H, dv] -> [B N H, C, dv].
at::Tensor by_head(const Inputs& in, const at::Tensor& chunks) {
  return chunks.transpose(2, 3).to(in.type(), false, false, at::MemoryFormat::Contiguous).flatten(0, 2);
}

/// A start state [B or 1, H, dk, dv] as [B, G, dk, R dv] in the type that states are summed in.
at::Tensor group_state(const Inputs& in, const at::Tensor& state) {
  const std::vector<std::int64_t> shape = {in.q.size(0), in.v.size(2), in.q.size(3), in.v.size(3)};
  return start_state(state, shape, in.v.options().dtype(in.wide()))
      .unflatten(1, {in.groups(), -1})
      .transpose(2, 3)
      .flatten(3)
      .contiguous();
}

at::Tensor ungroup_state(const Inputs& in, const at::Tensor& state) {
  return state.unflatten(3, {in.per_group(), -1}).transpose(2, 3).flatten(1, 2);
}

/// Rows of all chunks together: [B, N, G, C, d] -> [B G, N C, d].
at::Tensor all_chunks(const Inputs& in, const at::Tensor& x) {
  return x.view({in.q.size(0), in.num_chunks(), in.groups(), in.chunk, -1})
      .transpose(1, 2)
      .reshape({in.q.size(0) * in.groups(), in.num_chunks() * in.chunk, -1});
}

/// The inverse: [B G, N C, d] -> [B N G, C, d].
at::Tensor chunk_by_chunk(const Inputs& in, const at::Tensor& x) {
  return x.view({in.q.size(0), in.groups(), in.num_chunks(), in.chunk, -1}).transpose(1, 2).flatten(0, 2);
}

/// Decays in the wide type. Factors of rows are [B, N, H, C].
struct Decays {
  at::Tensor b;        // cumulative within the chunk
  at::Tensor sees;     // [B, N, C, C] visible pairs as numbers; undefined without documents
  at::Tensor kept;     // ec
  at::Tensor begun;    // ef; undefined without a fresh state
  at::Tensor to_end;   // r
  at::Tensor keep;     // ec_C [B, N, H]
  at::Tensor restart;  // ef_C; undefined without a fresh state

  explicit Decays(const Inputs& in) {
    const at::Tensor g = to_chunks(in.g.to(in.wide()), in.chunk).transpose(2, 3).contiguous();
    const auto last_row = [&](const at::Tensor& x) { return x.select(3, in.chunk - 1).contiguous(); };
    b = g.cumsum(-1);
    to_end = (b.narrow(-1, in.chunk - 1, 1) - b).exp_();
    if (!in.documents.defined()) {
      kept = b.exp();
    } else {
      sees = in.documents.visible.to(in.wide());
      const at::Tensor decay = at::matmul(g, sees.transpose(-1, -2)).exp_();
      const at::Tensor carried = in.documents.carried.unsqueeze(2).to(in.wide());
      kept = decay * carried;
      to_end.mul_(in.documents.last.unsqueeze(2));
      if (in.has_fresh()) {
        begun = decay * (1 - carried);
        restart = last_row(begun);
      }
    }
    keep = last_row(kept);
  }

  /// [B, N, H, C] -> [B, N, C, H, 1], beside values.
  static at::Tensor beside(const at::Tensor& factor) { return factor.transpose(2, 3).unsqueeze(-1); }
};

std::pair<Recurrence, at::Tensor> forward(const Inputs& in) {
  const at::ScalarType type = in.type();
  const Decays decay(in);
  const at::Tensor q = group_chunks(in, in.q), k = group_chunks(in, in.k), v = to_chunks(in.v, in.chunk);
  const at::Tensor q_all = q.flatten(0, 2), k_all = k.flatten(0, 2);
  const at::Tensor pairs = at::bmm(q_all, k_all.transpose(1, 2)).view({q.size(0), q.size(1), q.size(2), in.chunk, -1});
  const at::Tensor scores = decayed_scores(pairs, decay.b, in.documents.visible);
  const at::Tensor within = at::bmm(scores.flatten(0, 2), by_head(in, v));  // D V

  const at::Tensor weighted = side_by_side(in, (v * Decays::beside(decay.to_end)).to(type));
  const at::Tensor added = at::bmm(k_all.transpose(1, 2), weighted);
  const auto blocks = [&](const at::Tensor& x) { return x.unflatten(0, {q.size(0), q.size(1), q.size(2)}); };
  const at::Tensor fresh = in.has_fresh() ? group_state(in, in.fresh) : at::Tensor();
  const SsdScan scan = ssd_scan({blocks(added), group_state(in, in.incoming), decay.keep, decay.restart, fresh, false});

  at::Tensor y = apart(in, at::bmm(q_all, scan.entered.flatten(0, 2))) * Decays::beside(decay.kept);
  y.add_(within.view({q.size(0), q.size(1), -1, in.chunk, in.v.size(3)}).transpose(2, 3));
  if (in.has_fresh()) {
    const at::Tensor read = at::bmm(all_chunks(in, q), fresh.flatten(0, 1).to(type));
    y.add_(apart(in, chunk_by_chunk(in, read)) * Decays::beside(decay.begun));
  }
  return {{from_chunks(y, in.q.size(1)).to(in.v.scalar_type()), ungroup_state(in, scan.end)}, scan.entered};
}

struct Gradients {
  at::Tensor q, k, v, g, incoming, fresh;
};

/// Rows <a, b> of [B, N, C, H, dv] as [B, N, H, C] in the wide type.
at::Tensor row_dots(const Inputs& in, const at::Tensor& a, const at::Tensor& b) {
  return apart(in, a * b).sum(-1, false, in.wide()).transpose(2, 3);
}

/// <a, b> of each head's state: [B, N, G, dk, R dv] -> [B, N, H].
at::Tensor state_dots(const Inputs& in, const at::Tensor& a, const at::Tensor& b) {
  return (a * b).unflatten(-1, {in.per_group(), -1}).sum({3, 5}, false, in.wide()).flatten(2);
}

at::Tensor backward_sums(const at::Tensor& x) { return x.flip(-1).cumsum(-1).flip(-1); }

Gradients backward(const Inputs& in, const at::Tensor& entered, const at::Tensor& dy_rows, const at::Tensor& dstate) {
  const at::ScalarType type = in.type();
  const std::int64_t length = in.q.size(1);
  const Decays decay(in);
  const at::Tensor q = group_chunks(in, in.q), k = group_chunks(in, in.k), v = to_chunks(in.v, in.chunk);
  const at::Tensor q_all = q.flatten(0, 2), k_all = k.flatten(0, 2), dy = to_chunks(dy_rows, in.chunk);
  const at::Tensor states = entered.flatten(0, 2);
  const auto blocks = [&](const at::Tensor& x) { return x.unflatten(0, {q.size(0), q.size(1), q.size(2)}); };

  const at::Tensor kept_dy = side_by_side(in, (dy * Decays::beside(decay.kept)).to(type));
  const at::Tensor added = at::bmm(q_all.transpose(1, 2), kept_dy);
  const SsdScan scan = ssd_scan({blocks(added), group_state(in, dstate), decay.keep, {}, {}, true});
  const at::Tensor left = scan.entered.flatten(0, 2);  // G

  at::Tensor along_e = row_dots(in, kept_dy, at::bmm(q_all, states));
  along_e.select(3, in.chunk - 1).addcmul_(decay.keep, state_dots(in, entered, scan.entered));
  const at::Tensor dq = at::bmm(kept_dy, states.transpose(1, 2));
  at::Tensor dfresh;
  if (in.has_fresh()) {
    const at::Tensor fresh = group_state(in, in.fresh), narrow = fresh.flatten(0, 1).to(type);
    const at::Tensor begun_dy = side_by_side(in, (dy * Decays::beside(decay.begun)).to(type));
    const at::Tensor queries = all_chunks(in, q), gradients = all_chunks(in, begun_dy);
    along_e.add_(row_dots(in, begun_dy, chunk_by_chunk(in, at::bmm(queries, narrow))));
    along_e.select(3, in.chunk - 1).addcmul_(decay.restart, state_dots(in, fresh.unsqueeze(1), scan.entered));
    dq.add_(chunk_by_chunk(in, at::bmm(gradients, narrow.transpose(1, 2))));
    const at::Tensor restart = decay.restart.unflatten(2, {in.groups(), 1, -1}).unsqueeze(-1);
    dfresh = (scan.entered.unflatten(-1, {in.per_group(), -1}) * restart).flatten(4).sum(1);
    dfresh.add_(at::bmm(queries.transpose(1, 2), gradients).view_as(dfresh));
  }

  const at::Tensor pairs = blocks(at::bmm(q_all, k_all.transpose(1, 2)));
  const at::Tensor scores = decayed_scores(pairs, decay.b, in.documents.visible);
  const at::Tensor dy_heads = by_head(in, dy), v_heads = by_head(in, v);
  const at::Tensor dscores = at::bmm(dy_heads, v_heads.transpose(1, 2)).view_as(scores);
  const DecayedGradients d = decayed_scores_backward(dscores, scores, decay.b, in.documents.visible, in.groups());
  const at::Tensor within = at::bmm(scores.flatten(0, 2).transpose(1, 2), dy_heads);

  const at::Tensor weighted = side_by_side(in, (v * Decays::beside(decay.to_end)).to(type));
  const at::Tensor read = at::bmm(k_all, left);  // K G
  const at::Tensor along_r = row_dots(in, weighted, read);
  const at::Tensor dpairs = d.pairs.flatten(0, 2);
  dq.baddbmm_(dpairs, k_all);
  const at::Tensor dk = at::bmm(weighted, left.transpose(1, 2)).baddbmm_(dpairs.transpose(1, 2), q_all);
  const at::Tensor dv = apart(in, read) * Decays::beside(decay.to_end);
  dv.add_(within.view({q.size(0), q.size(1), -1, in.chunk, in.v.size(3)}).transpose(2, 3));

  const at::Tensor from_e = decay.sees.defined() ? at::matmul(along_e, decay.sees) : backward_sums(along_e);
  const at::Tensor dg = from_e + backward_sums(d.b) + (along_r.cumsum(-1) - along_r);
  const auto rows = [&](const at::Tensor& x, at::ScalarType as) {
    return from_chunks(blocks(x).transpose(2, 3), length).to(as);
  };
  return {rows(dq, in.q.scalar_type()),
          rows(dk, in.k.scalar_type()),
          from_chunks(dv, length).to(in.v.scalar_type()),
          from_chunks(dg.transpose(2, 3), length).to(in.g.scalar_type()),
          ungroup_state(in, scan.end),
          dfresh.defined() ? ungroup_state(in, dfresh) : dfresh};
}

/// The gradient of a start state as it was given.
at::Tensor reduced_to(const at::Tensor& gradient, const at::Tensor& state) {
  if (!gradient.defined() || !state.defined()) return {};
  return at::sum_to(gradient, state.sizes()).to(state.scalar_type());
}

struct SsdFunction : torch::autograd::Function<SsdFunction> {
  static variable_list forward(AutogradContext* ctx, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                               const at::Tensor& g, const std::optional<at::Tensor>& incoming,
                               const std::optional<at::Tensor>& fresh, const DocumentChunks& documents,
                               std::int64_t chunk) {
    const Inputs in{q, k, v, g, incoming.value_or(at::Tensor()), fresh.value_or(at::Tensor()), documents, chunk};
    const auto [out, entered] = ops::forward(in);
    ctx->save_for_backward({q, k, v, g, in.incoming, in.fresh, documents.carried, documents.last, documents.visible,
                            documents.start, entered});
    ctx->saved_data["chunk"] = chunk;
    return {out.y, out.state};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "chunk_ssd has no second derivative");
    const variable_list s = ctx->get_saved_variables();
    const Inputs in{s[0], s[1], s[2], s[3], s[4], s[5], {s[6], s[7], s[8], s[9]}, ctx->saved_data["chunk"].toInt()};
    const Gradients d = ops::backward(in, s[10], grads[0], grads[1]);
    return {d.q, d.k, d.v, d.g, reduced_to(d.incoming, in.incoming), reduced_to(d.fresh, in.fresh), {}, {}};
  }
};

}  // namespace

Recurrence chunk_ssd(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& g,
                     const RecurrentStates& states, const DocumentChunks& documents, std::int64_t chunk) {
  const variable_list out =
      SsdFunction::apply(q, k, v, g, if_defined(states.incoming), if_defined(states.fresh), documents, chunk);
  return {out[0], out[1]};
}

}  // namespace ingot::ops
