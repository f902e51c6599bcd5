// The decaying recurrence in chunks of C rows. b_i = g_1 + ... + g_i within the chunk; D_ij = q_i·k_j exp(b_i - b_j)
// for visible pairs (j <= i, both rows of one document); e_i = exp(sum of g over the document's rows up to i in the
// chunk), split into ec for rows of the carried document and ef for the others; r_j = exp(b_C - b_j) in the document
// that the chunk ends in, else 0; F the fresh state:
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
// Sums of unlike sign stay apart from one another until they are short. Heads of one group share Q and K: their values
// lie side by side in the products with states, as they do in memory, and only the products with D go head by head.

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
#include "ops/chunk/rows.h"
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
  at::ScalarType type() const { return product_type(q); }
  at::ScalarType wide() const { return wide_type(v.scalar_type()); }
  bool has_fresh() const { return documents.defined() && fresh.defined(); }
};

at::Tensor matrices(const at::Tensor& x) { return x.flatten(0, 2); }
at::Tensor across(const at::Tensor& x) { return matrices(x).transpose(1, 2); }
at::Tensor blocks(const Inputs& in, const at::Tensor& x) {
  return x.unflatten(0, {in.q.size(0), in.num_chunks(), in.groups()});
}

/// [B, T, G, d] -> [B, N, G, C, d].
at::Tensor group_chunks(const Inputs& in, const at::Tensor& rows) {
  const at::Tensor out =
      at::empty({rows.size(0), in.num_chunks(), in.groups(), in.chunk, rows.size(3)}, rows.options().dtype(in.type()));
  spread_rows(rows, {}, rows_of_groups_apart(out, in.groups()), {});
  return out;
}

/// Values in both layouts: those of a group's heads side by side, scaled, and head by head as they are.
struct Values {
  at::Tensor scaled;  // [B, N, G, C, R dv]
  at::Tensor plain;   // [B, N, H, C, dv]
};

/// From rows [B, T, H, dv] and factors [B, N, C, H].
Values spread_values(const Inputs& in, const at::Tensor& rows, const at::Tensor& factor, bool with_plain = true) {
  const std::int64_t batch = rows.size(0), heads = rows.size(2), width = rows.size(3);
  const at::TensorOptions options = rows.options().dtype(in.type());
  Values out{at::empty({batch, in.num_chunks(), in.groups(), in.chunk, in.per_group() * width}, options), {}};
  if (with_plain) out.plain = at::empty({batch, in.num_chunks(), heads, in.chunk, width}, options);
  spread_rows(rows, factor, with_plain ? rows_of_groups_apart(out.plain, in.groups()) : at::Tensor(),
              rows_of_groups(out.scaled, heads));
  return out;
}

/// [B N G, C, R dv] as rows_of_groups.
at::Tensor group_rows(const Inputs& in, const at::Tensor& x) { return rows_of_groups(blocks(in, x), in.v.size(2)); }
/// [B N H, C, dv] as rows_of_groups.
at::Tensor head_rows(const Inputs& in, const at::Tensor& x) {
  return rows_of_groups_apart(x.unflatten(0, {in.q.size(0), in.num_chunks(), -1}), in.groups());
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

/// Decays in the wide type. Factors of rows are [B, N, C, H].
struct Decays {
  at::Tensor b;        // [B, N, H, C], cumulative within the chunk
  at::Tensor sees;     // [B, N, C, C] visible pairs as numbers; undefined without documents
  at::Tensor kept;     // ec
  at::Tensor begun;    // ef; undefined without a fresh state
  at::Tensor to_end;   // r
  at::Tensor keep;     // ec_C [B, N, H]
  at::Tensor restart;  // ef_C; undefined without a fresh state

  explicit Decays(const Inputs& in) {
    const at::Tensor rows = to_chunks(in.g.to(in.wide()), in.chunk), sums = rows.cumsum(2);
    const auto last_row = [&](const at::Tensor& x) { return x.select(2, in.chunk - 1).contiguous(); };
    b = sums.transpose(2, 3).contiguous();
    to_end = (sums.narrow(2, in.chunk - 1, 1) - sums).exp_();
    if (!in.documents.defined()) {
      kept = sums.exp();
    } else {
      sees = in.documents.visible.to(in.wide());
      const at::Tensor decay = at::matmul(sees, rows).exp_();
      const at::Tensor carried = in.documents.carried.unsqueeze(3).to(in.wide());
      kept = decay * carried;
      to_end.mul_(in.documents.last.unsqueeze(3));
      if (in.has_fresh()) {
        begun = decay * (1 - carried);
        restart = last_row(begun);
      }
    }
    keep = last_row(kept);
  }
};

std::pair<Recurrence, at::Tensor> forward(const Inputs& in) {
  const Decays decay(in);
  const at::Tensor q = group_chunks(in, in.q), k = group_chunks(in, in.k);
  const Values v = spread_values(in, in.v, decay.to_end);
  const at::Tensor scores = decayed_scores(blocks(in, at::bmm(matrices(q), across(k))), decay.b, in.documents.visible);
  const at::Tensor within = at::bmm(matrices(scores), matrices(v.plain));  // D V

  const at::Tensor added = blocks(in, at::bmm(across(k), matrices(v.scaled)));
  const at::Tensor fresh = in.has_fresh() ? group_state(in, in.fresh) : at::Tensor();
  const SsdScan scan = ssd_scan({added, group_state(in, in.incoming), decay.keep, decay.restart, fresh, false});

  const at::Tensor read = group_rows(in, at::bmm(matrices(q), matrices(scan.entered)));
  if (in.has_fresh()) {
    const at::Tensor from_fresh = at::bmm(all_chunks(in, q), fresh.flatten(0, 1).to(in.type()));
    const at::Tensor sum = head_rows(in, within);
    combine_rows(group_rows(in, chunk_by_chunk(in, from_fresh)), decay.begun, sum, sum);
  }
  const at::Tensor y = gather_rows(read, decay.kept, head_rows(in, within), in.q.size(1), in.v.scalar_type());
  return {{y, ungroup_state(in, scan.end)}, scan.entered};
}

struct Gradients {
  at::Tensor q, k, v, g, incoming, fresh;
};

/// <a, b> of each head's state: [B, N, G, dk, R dv] -> [B, N, H].
at::Tensor state_dots(const Inputs& in, const at::Tensor& a, const at::Tensor& b) {
  return dot_rows(rows_of_groups(a, in.v.size(2)), rows_of_groups(b, in.v.size(2))).sum(2);
}

/// Sums over i >= t of [B, N, C, H].
at::Tensor sums_to_end(const at::Tensor& x) { return x.flip(2).cumsum(2).flip(2); }

Gradients backward(const Inputs& in, const at::Tensor& entered, const at::Tensor& dy_rows, const at::Tensor& dstate) {
  const std::int64_t length = in.q.size(1);
  const Decays decay(in);
  const at::Tensor q = group_chunks(in, in.q), k = group_chunks(in, in.k);
  const Values dy = spread_values(in, dy_rows, decay.kept), v = spread_values(in, in.v, decay.to_end);
  const at::Tensor added = blocks(in, at::bmm(across(q), matrices(dy.scaled)));
  const SsdScan scan = ssd_scan({added, group_state(in, dstate), decay.keep, {}, {}, true});
  const at::Tensor& left = scan.entered;  // G

  at::Tensor along_e =
      dot_rows(rows_of_groups(dy.scaled, in.v.size(2)), group_rows(in, at::bmm(matrices(q), matrices(entered))));
  along_e.select(2, in.chunk - 1).addcmul_(decay.keep, state_dots(in, entered, left));
  const at::Tensor dq = at::bmm(matrices(dy.scaled), across(entered));
  at::Tensor dfresh;
  if (in.has_fresh()) {
    const at::Tensor fresh = group_state(in, in.fresh), narrow = fresh.flatten(0, 1).to(in.type());
    const at::Tensor begun_dy = spread_values(in, dy_rows, decay.begun, false).scaled;
    const at::Tensor queries = all_chunks(in, q), gradients = all_chunks(in, begun_dy);
    along_e.add_(
        dot_rows(rows_of_groups(begun_dy, in.v.size(2)), group_rows(in, chunk_by_chunk(in, at::bmm(queries, narrow)))));
    along_e.select(2, in.chunk - 1)
        .addcmul_(decay.restart, state_dots(in, fresh.to(in.type()).unsqueeze(1).expand_as(left), left));
    dq.add_(chunk_by_chunk(in, at::bmm(gradients, narrow.transpose(1, 2))));
    dfresh = weighted_states(left, decay.restart);
    dfresh.add_(at::bmm(queries.transpose(1, 2), gradients).view_as(dfresh));
  }

  const at::Tensor scores = decayed_scores(blocks(in, at::bmm(matrices(q), across(k))), decay.b, in.documents.visible);
  const at::Tensor dscores = at::bmm(matrices(dy.plain), across(v.plain)).view_as(scores);
  const DecayedGradients d = decayed_scores_backward(dscores, scores, decay.b, in.documents.visible, in.groups());
  const at::Tensor within = at::bmm(across(scores), matrices(dy.plain));

  const at::Tensor read = group_rows(in, at::bmm(matrices(k), matrices(left)));  // K G
  const at::Tensor along_r = dot_rows(rows_of_groups(v.scaled, in.v.size(2)), read);
  dq.baddbmm_(matrices(d.pairs), matrices(k));
  const at::Tensor dk = at::bmm(matrices(v.scaled), across(left)).baddbmm_(across(d.pairs), matrices(q));

  const at::Tensor from_e =
      decay.sees.defined() ? at::matmul(decay.sees.transpose(2, 3), along_e) : sums_to_end(along_e);
  const at::Tensor dg = from_e + sums_to_end(d.b.transpose(2, 3)) + (along_r.cumsum(2) - along_r);
  const auto rows = [&](const at::Tensor& x, const at::Tensor& like) {
    return gather_rows(rows_of_groups_apart(blocks(in, x), in.groups()), {}, {}, length, like.scalar_type());
  };
  return {rows(dq, in.q),
          rows(dk, in.k),
          gather_rows(read, decay.to_end, head_rows(in, within), length, in.v.scalar_type()),
          from_chunks(dg, length).to(in.g.scalar_type()),
          ungroup_state(in, scan.end),
          dfresh.defined() ? ungroup_state(in, dfresh) : dfresh};
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
    return {d.q, d.k, d.v, d.g, start_state_gradient(d.incoming, in.incoming), start_state_gradient(d.fresh, in.fresh),
            {},  {}};
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
