// The delta rule in chunks of C rows. With K, V, Q the rows of a chunk, S the state it is entered with and M the mask of
// visible pairs (lower triangle, both rows of one document):
//
//   A  = strict(diag(beta) K Kᵀ ∘ M);   [U W] = (I + A)^-1 diag(beta) [V K]
//   Ut = U - W S;   Y = Q S + (Q Kᵀ ∘ M) Ut;   S' = S + Kᵀ Ut
//
// (I + A)^-1 is block diagonal over documents. Rows of a document begun in the chunk meet the fresh state in place of S,
// and S' starts from the fresh state if the chunk ends in such a document, and counts that document's rows only. Everything
// but Ut and S' is computed for all chunks at once; the loop over chunks has two products.

#include <ATen/TensorOperators.h>
#include <ATen/ops/baddbmm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_solve_triangular.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include "ops/delta_rule/delta_rule.h"
#include "ops/kernel_types.h"

namespace ingot::ops {

namespace {

/// [B, T, H, d] -> [B, H, N, C, d].
at::Tensor head_chunks(const at::Tensor& x, std::int64_t chunk, at::ScalarType type) {
  return to_chunks(x.to(type), chunk).permute({0, 3, 1, 2, 4});
}

/// [B, N, C] bool -> [B, 1, N, C, 1] of `type`.
at::Tensor row_factor(const at::Tensor& rows, at::ScalarType type) { return rows.to(type).unsqueeze(1).unsqueeze(-1); }

}  // namespace

Recurrence chunk_delta_rule(const at::Tensor& q_rows, const at::Tensor& k_rows, const at::Tensor& v_rows,
                            const at::Tensor& beta_rows, const RecurrentStates& states, const DocumentChunks& documents,
                            std::int64_t chunk) {
  const at::ScalarType type = wide_type(v_rows.scalar_type());
  const std::int64_t length = q_rows.size(1);
  const at::Tensor q = head_chunks(q_rows, chunk, type), k = head_chunks(k_rows, chunk, type);
  const at::Tensor v = head_chunks(v_rows, chunk, type);
  const at::Tensor beta = to_chunks(beta_rows.to(type), chunk).permute({0, 3, 1, 2}).unsqueeze(-1);
  const std::vector<std::int64_t> shape = {q.size(0), q.size(1), q.size(4), v.size(4)};
  const bool several = documents.defined();
  const bool has_fresh = several && states.fresh.defined();
  const auto visible = [&](const at::Tensor& pairs) {
    return several ? pairs * documents.visible.unsqueeze(1).to(type) : pairs.tril();
  };

  const at::Tensor kb = k * beta;
  const at::Tensor a = visible(at::matmul(kb, k.transpose(-1, -2))).tril(-1);
  const at::Tensor solved = at::linalg_solve_triangular(a + at::eye(chunk, a.options()), at::cat({v * beta, kb}, -1),
                                                        /*upper=*/false, /*left=*/true, /*unitriangular=*/true);
  at::Tensor u = solved.narrow(-1, 0, v.size(4)), w = solved.narrow(-1, v.size(4), k.size(4));
  at::Tensor query = q, key = k, fresh, y_fresh, keep, restart;
  if (several) {
    const at::Tensor carried = row_factor(documents.carried, type);
    keep = carried.select(3, chunk - 1).unsqueeze(-1);  // [B, 1, N, 1, 1]: the chunk ends in the carried document
    key = k * row_factor(documents.last, type);
    if (has_fresh) {
      fresh = start_state(states.fresh, shape, v.options());
      const at::Tensor begun = 1 - carried;
      u = u - begun * at::matmul(w, fresh.unsqueeze(2));
      y_fresh = begun * at::matmul(q, fresh.unsqueeze(2));
      restart = 1 - keep;
    }
    query = q * carried;
    w = w * carried;
  }

  at::Tensor state = start_state(states.incoming, shape, v.options());
  std::vector<at::Tensor> entered, corrected;
  for (std::int64_t n = 0; n < q.size(2); ++n) {
    entered.push_back(state);
    corrected.push_back(u.select(2, n) - at::matmul(w.select(2, n), state));
    const at::Tensor added = at::matmul(key.select(2, n).transpose(-1, -2), corrected.back());
    if (several) state = state * keep.select(2, n);
    if (has_fresh) state = state + fresh * restart.select(2, n);
    state = state + added;
  }
  at::Tensor y = at::matmul(query, at::stack(entered, 2)) +
                 at::matmul(visible(at::matmul(q, k.transpose(-1, -2))), at::stack(corrected, 2));
  if (has_fresh) y = y + y_fresh;
  return {from_chunks(y.permute({0, 2, 3, 1, 4}), length).to(v_rows.scalar_type()), state};
}

}  // namespace ingot::ops
