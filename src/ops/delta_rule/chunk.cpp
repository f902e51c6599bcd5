// The delta rule in chunks of C rows. With K, V, Q the rows of a chunk, S the state it is entered with, F the fresh
// state, M the mask of visible pairs (lower triangle, both rows of one document), c = 1 for rows of the carried
// document, else 0 (they meet F in place of S), l = 1 for rows of the document that the chunk ends in:
//
//   A  = strict(diag(beta) K Kᵀ ∘ M);   T = (I + A)^-1;   W = -T diag(beta) K;   U = T diag(beta) V
//   Ut = U + (1-c) W F + c W S;   S' = keep S + (1 - keep) F + (l K)ᵀ Ut      keep = c of the last row
//     (delta_rule/scan.h)
//   P  = Q Kᵀ ∘ M;   Y = c Q S + (1-c) Q F + P Ut
//
// T is block diagonal over documents, so it commutes with c. Backward, with G the gradient of S' (Yang et al. 2024,
// arXiv:2406.06484, in the form that needs neither U nor dT):
//
//   dUt = Pᵀ dY + l K G;   dS = keep G + (c Q)ᵀ dY + (c W)ᵀ dUt               (the same scan, reversed)
//   X = Tᵀ dUt;   [a; R] = [strict(X Utᵀ ∘ M); dY Utᵀ ∘ M]                     a = -dA
//   [Z; dQ] = c [X; dY] Sᵀ + (1-c) [X; dY] Fᵀ + [a; R] K                       Z: gradient of -diag(beta) K
//   dK = -beta Z + [a; R]ᵀ [-beta K; Q] + l Ut Gᵀ;   dV = beta X;   dbeta = rowsum(X V) - rowsum(Z K)
//
// Everything but the scan is computed for all chunks at once.

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include "ops/chunk/products.h"
#include "ops/chunk/rows.h"
#include "ops/delta_rule/delta_rule.h"
#include "ops/delta_rule/scan.h"
#include "ops/kernel_types.h"
#include "ops/unit_lower_inverse/unit_lower_inverse.h"

namespace ingot::ops {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// [N, B, H, r, c] -> [N B H, r, c].
at::Tensor batch(const at::Tensor& x) { return x.flatten(0, 2); }
at::Tensor across(const at::Tensor& x) { return batch(x).transpose(1, 2); }

/// What the masks of documents are; all undefined without documents.
struct Masks {
  at::Tensor carried, begun, last;  // [B, N, C, H] in the type of sums
  at::Tensor visible;               // [N, B, 1, C, C] in the product type
  at::Tensor keep;                  // [N, B] in the state's type

  Masks(const DocumentChunks& documents, at::ScalarType type, std::int64_t heads) {
    if (!documents.defined()) return;
    const auto rows = [&](const at::Tensor& x) {
      return x.to(wide_type(type)).unsqueeze(3).expand({-1, -1, -1, heads}).contiguous();
    };
    carried = rows(documents.carried);
    begun = 1 - carried;
    last = rows(documents.last);
    visible = documents.visible.transpose(0, 1).to(type).unsqueeze(2);
    keep = documents.carried.select(2, documents.carried.size(2) - 1).t().to(wide_type(type)).contiguous();
  }
  bool several() const { return carried.defined(); }

  at::Tensor of_last(const at::Tensor& x) const { return several() ? scaled(x, last) : x; }
  at::Tensor of_carried(const at::Tensor& x) const { return several() ? scaled(x, carried) : x; }
  at::Tensor of_begun(const at::Tensor& x) const { return scaled(x, begun); }
  /// x *= factor, one of the above.
  static void scale(const at::Tensor& x, const at::Tensor& factor) {
    combine_rows(rows_of_heads(x), factor, {}, rows_of_heads(x));
  }
  /// sum += rows of x whose documents begin in their chunks.
  void add_begun(const at::Tensor& sum, const at::Tensor& x) const {
    combine_rows(rows_of_heads(x), begun, rows_of_heads(sum), rows_of_heads(sum));
  }

 private:
  /// x [N, B, H, C, d].
  static at::Tensor scaled(const at::Tensor& x, const at::Tensor& factor) {
    const at::Tensor out = at::empty_like(x, at::MemoryFormat::Contiguous);
    combine_rows(rows_of_heads(x), factor, {}, rows_of_heads(out));
    return out;
  }
};

struct Inputs {
  at::Tensor q, k, v, beta;    // rows
  at::Tensor incoming, fresh;  // may be undefined
  DocumentChunks documents;
  std::int64_t chunk = 0;

  at::ScalarType type() const { return product_type(q); }
  bool has_fresh() const { return documents.defined() && fresh.defined(); }
  at::Tensor start(const at::Tensor& state) const {
    const std::vector<std::int64_t> shape = {q.size(0), q.size(2), q.size(3), v.size(3)};
    return start_state(state, shape, v.options().dtype(wide_type(v.scalar_type()))).contiguous();
  }
  /// [B, N, C, H] in the type of sums.
  at::Tensor beta_chunks() const { return to_chunks(beta.to(wide_type(v.scalar_type())), chunk); }
  std::int64_t num_chunks() const { return ops::num_chunks(q.size(1), chunk); }
  /// [N, B, H, rows, columns] of the product type.
  at::Tensor make(std::int64_t rows, std::int64_t columns) const {
    return at::empty({num_chunks(), q.size(0), q.size(2), rows, columns}, q.options().dtype(type()));
  }
};

/// What backward needs again, in the product type.
struct Kept {
  at::Tensor inverse;    // T [N, B, H, C, C]
  at::Tensor entered;    // S [N, B, H, dk, dv]
  at::Tensor corrected;  // Ut [N, B, H, C, dv]
};

/// a b for [N, B, H, r, k] and [N, B, H, k, c] or matrices of a batch.
at::Tensor product(const at::Tensor& a, const at::Tensor& b, const at::Tensor& like) {
  return at::bmm(a, b).unflatten(0, {like.size(0), like.size(1), like.size(2)});
}

at::Tensor scores(const at::Tensor& q, const at::Tensor& k, const Masks& masks) {
  const at::Tensor pairs = product(batch(q), across(k), q);
  return masks.several() ? pairs.mul_(masks.visible) : pairs.tril_();
}

std::pair<Recurrence, Kept> forward(const Inputs& in) {
  const at::ScalarType type = in.type();
  const Masks masks(in.documents, type, in.q.size(2));
  const at::Tensor beta = in.beta_chunks(), minus_beta = -beta;
  const std::int64_t dk = in.q.size(3), dv = in.v.size(3);
  const at::Tensor q = in.make(in.chunk, dk), k = in.make(in.chunk, dk), kb = in.make(in.chunk, dk);
  const at::Tensor vb = in.make(in.chunk, dv);
  spread_rows(in.q, {}, rows_of_heads(q), {});
  spread_rows(in.k, minus_beta, rows_of_heads(k), rows_of_heads(kb));
  spread_rows(in.v, beta, {}, rows_of_heads(vb));

  at::Tensor pairs = wide_bmm(batch(kb), across(k), -1).unflatten(0, {k.size(0), k.size(1), k.size(2)});
  if (masks.several()) pairs.mul_(masks.visible);
  const at::Tensor inverse = unit_lower_inverse(pairs).to(type);
  const at::Tensor u = product(batch(inverse), batch(vb), k), w = product(batch(inverse), batch(kb), k);
  at::Tensor fresh, narrow_fresh;
  if (in.has_fresh()) {
    fresh = in.start(in.fresh);
    narrow_fresh = fresh.to(type);
    masks.add_begun(u, at::matmul(w, narrow_fresh));
  }
  const DeltaScan scan =
      delta_scan({masks.of_carried(w), masks.of_last(k), u, in.start(in.incoming), masks.keep, fresh, {}, false});

  const at::Tensor y = at::bmm(batch(masks.of_carried(q)), batch(scan.entered));
  y.baddbmm_(batch(scores(q, k, masks)), batch(scan.corrected));
  const at::Tensor rows = y.unflatten(0, {k.size(0), k.size(1), k.size(2)});
  if (in.has_fresh()) masks.add_begun(rows, at::matmul(q, narrow_fresh));
  return {{gather_rows(rows_of_heads(rows), {}, {}, in.q.size(1), in.v.scalar_type()), scan.end},
          {inverse, scan.entered, scan.corrected}};
}

struct Gradients {
  at::Tensor q, k, v, beta, incoming, fresh;
};

/// [2, C, C]: strictly lower, lower.
at::Tensor triangles(std::int64_t chunk, const at::TensorOptions& options) {
  const at::Tensor ones = at::ones({chunk, chunk}, options);
  return at::stack({ones.tril(-1), ones.tril()});
}

Gradients backward(const Inputs& in, const Kept& kept, const at::Tensor& dy, const at::Tensor& dstate) {
  const at::ScalarType type = in.type();
  const Masks masks(in.documents, type, in.q.size(2));
  const std::int64_t chunk = in.chunk, length = in.q.size(1);
  const at::Tensor beta = in.beta_chunks(), minus_beta = -beta;
  const std::int64_t dk_width = in.q.size(3), dv_width = in.v.size(3);
  const at::Tensor k = in.make(chunk, dk_width), v = in.make(chunk, dv_width);
  const at::Tensor kb_q = in.make(2 * chunk, dk_width);  // [-beta K; Q]
  const at::Tensor x_dy = in.make(2 * chunk, dv_width);  // [X; dY]
  const auto upper = [&](const at::Tensor& t) { return t.narrow(3, 0, chunk); };
  const auto lower = [&](const at::Tensor& t) { return t.narrow(3, chunk, chunk); };
  const at::Tensor q = lower(kb_q), kb = upper(kb_q), d = lower(x_dy), x = upper(x_dy);
  spread_rows(in.q, {}, rows_of_heads(q), {});
  spread_rows(in.k, minus_beta, rows_of_heads(k), rows_of_heads(kb));
  spread_rows(in.v, {}, rows_of_heads(v), {});
  spread_rows(dy, {}, rows_of_heads(d), {});

  const at::Tensor w = masks.of_carried(product(batch(kept.inverse), batch(kb), k));
  const at::Tensor du = product(across(scores(q, k, masks)), batch(d), k);
  const at::Tensor added = product(across(masks.of_carried(q)), batch(d), k);
  const DeltaScan scan = delta_scan({masks.of_last(k), w, du, dstate, masks.keep, {}, added, true});
  at::Tensor x_out = batch(x);
  at::bmm_out(x_out, across(kept.inverse), batch(scan.corrected));

  const at::Tensor pairs = product(batch(x_dy), across(kept.corrected), k);
  pairs.unflatten(3, {2, chunk}).mul_(triangles(chunk, k.options()));
  if (masks.several()) pairs.unflatten(3, {2, chunk}).mul_(masks.visible.unsqueeze(3));
  const at::Tensor dkb_q = product(batch(x_dy), across(kept.entered), k);  // [Z; dQ]
  if (masks.several()) {
    for (const at::Tensor& half : {upper(dkb_q), lower(dkb_q)}) masks.scale(half, masks.carried);
  }
  at::Tensor dfresh;
  if (in.has_fresh()) {
    const at::Tensor fresh = in.start(in.fresh).to(type);
    const at::Tensor from_fresh = at::matmul(x_dy, fresh.transpose(-1, -2));
    masks.add_begun(upper(dkb_q), upper(from_fresh));
    masks.add_begun(lower(dkb_q), lower(from_fresh));
    const at::Tensor begun_w = masks.of_begun(product(batch(kept.inverse), batch(kb), k));
    at::Tensor parts = product(across(masks.of_begun(q)), batch(d), k);
    batch(parts).baddbmm_(across(begun_w), batch(scan.corrected));
    parts.add_(scan.entered * (1 - masks.keep).to(type).view({k.size(0), k.size(1), 1, 1, 1}));
    dfresh = parts.sum(0, false, wide_type(type));
  }
  batch(dkb_q).baddbmm_(batch(pairs), batch(k));
  const at::Tensor z = upper(dkb_q);
  const at::Tensor dk = product(batch(kept.corrected), across(scan.entered), k);
  if (masks.several()) masks.scale(dk, masks.last);
  batch(dk).baddbmm_(across(pairs), batch(kb_q));
  const at::Tensor dbeta = dot_rows(rows_of_heads(x), rows_of_heads(v)) - dot_rows(rows_of_heads(z), rows_of_heads(k));
  return {gather_rows(rows_of_heads(lower(dkb_q)), {}, {}, length, in.q.scalar_type()),
          gather_rows(rows_of_heads(z), minus_beta, rows_of_heads(dk), length, in.k.scalar_type()),
          gather_rows(rows_of_heads(x), beta, {}, length, in.v.scalar_type()),
          from_chunks(dbeta, length).to(in.beta.scalar_type()),
          scan.end,
          dfresh};
}

struct DeltaRuleFunction : torch::autograd::Function<DeltaRuleFunction> {
  static variable_list forward(AutogradContext* ctx, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                               const at::Tensor& beta, const std::optional<at::Tensor>& incoming,
                               const std::optional<at::Tensor>& fresh, const DocumentChunks& documents,
                               std::int64_t chunk) {
    const Inputs in{q, k, v, beta, incoming.value_or(at::Tensor()), fresh.value_or(at::Tensor()), documents, chunk};
    const auto [out, kept] = ops::forward(in);
    ctx->save_for_backward({q, k, v, beta, in.incoming, in.fresh, documents.carried, documents.last, documents.visible,
                            documents.start, kept.inverse, kept.entered, kept.corrected});
    ctx->saved_data["chunk"] = chunk;
    return {out.y, out.state};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "chunk_delta_rule has no second derivative");
    const variable_list s = ctx->get_saved_variables();
    const Inputs in{s[0], s[1], s[2], s[3], s[4], s[5], {s[6], s[7], s[8], s[9]}, ctx->saved_data["chunk"].toInt()};
    const Gradients g = ops::backward(in, {s[10], s[11], s[12]}, grads[0], grads[1].contiguous());
    return {
        g.q, g.k, g.v, g.beta, start_state_gradient(g.incoming, in.incoming), start_state_gradient(g.fresh, in.fresh),
        {},  {}};
  }
};

}  // namespace

Recurrence chunk_delta_rule(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& beta,
                            const RecurrentStates& states, const DocumentChunks& documents, std::int64_t chunk) {
  const variable_list out =
      DeltaRuleFunction::apply(q, k, v, beta, if_defined(states.incoming), if_defined(states.fresh), documents, chunk);
  return {out[0], out[1]};
}

}  // namespace ingot::ops
