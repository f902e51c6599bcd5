#include "params/effective_weights.h"

namespace ingot {

std::map<std::string, at::Tensor> effective_weights(const ParameterStore& store) {
  std::map<std::string, at::Tensor> weights;
  const auto infos = store.parameters();
  std::size_t next = 0;
  for (const WeightLeaf& leaf : store.leaves()) {
    std::int64_t row = 0;
    for (const std::int64_t rows : leaf.rows()) {
      const bool whole = leaf.rows().size() == 1;
      weights[infos.at(next++)->name] = (whole ? leaf.weight() : leaf.weight().narrow(0, row, rows)).detach();
      row += rows;
    }
  }
  return weights;
}

}  // namespace ingot
