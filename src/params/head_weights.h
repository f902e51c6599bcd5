#pragma once
// The head as losses and samplers see it.

#include <cstdint>

#include "params/store.h"

namespace ingot {

/// logits = W h, each divided by the norm of its row of W if `normalise_rows`, times scale_factor · scale if there is
/// one.
struct HeadWeights {
  WeightLeaf weight;            // [V padded, D]
  std::int64_t vocab_size = 0;  // rows beyond it are padding: masked out
  bool normalise_rows = false;  // as in the released Nemotron-Flash
  WeightLeaf scale = {};        // [V padded]: nGPT's s_z as stored
  double scale_factor = 1;      // what makes s_z of it
};

}  // namespace ingot
