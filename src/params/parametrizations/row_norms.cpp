// Row norms as parameters of their own, for matrix optimizers.
//
//   w_i = γ_i v_i / |v_i|
//
// v [out, in], γ [out]: the map and the gradients of weight_norm, made for an optimizer of matrices: v is a matrix that
// Muon updates without any bound on its rows, whose lengths drop out; γ is a vector, for which a group of matrices has
// its optimizer of vectors (Adam), and on which alone decay acts. Muon's steps change all rows alike, while the
// gradient of plain weights grows rows that are long already and with them the spectral norm.
// "Muown: Row-Norm Control for Muon Optimization" 2026, arXiv:2605.10797. As in NVIDIA's Emerging-Optimizers
// (contrib/muown.py) training starts with v = W, γ_i = |W_i|, and v is not normalised in between. There a row of zeros
// gets γ = 1e-12; here it stays 0 until v has a direction, and then γ has a gradient.

#include "config/fields.h"
#include "params/row_lengths.h"

namespace ingot {
namespace row_norms {
namespace {

struct RowNormsConfig {
  bool embeddings = false;
};

void describe(Fields& f, RowNormsConfig& c) {
  f.field("embeddings", c.embeddings, "whether embedding and head are included");
}

class RowNorms final : public row_lengths::LengthAndDirection {
 public:
  explicit RowNorms(const RowNormsConfig& config)
      : LengthAndDirection(row_lengths::Unit::kRow, config.embeddings, ".norms", ".direction") {}
};

}  // namespace
}  // namespace row_norms

void register_row_norms(Family<ParametrizationEntry>& family) {
  add_parametrization<row_norms::RowNormsConfig, row_norms::RowNorms>(
      family, "row_norms", "Lengths of rows as a vector beside the matrix of directions, which Muon updates.",
      "Muown 2026, arXiv:2605.10797", {"{embeddings: true}"});
}

}  // namespace ingot
