#pragma once
// The head as losses and samplers see it.

#include <cstdint>

#include "params/store.h"

namespace ingot {

/// logits = W h, each divided by the norm of its row of W if `normalise_rows`.
struct HeadWeights {
  WeightLeaf weight;            // [V padded, D]
  std::int64_t vocab_size = 0;  // rows beyond it are padding: masked out
  bool normalise_rows = false;  // as in the released Nemotron-Flash
};

}  // namespace ingot
