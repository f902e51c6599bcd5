#pragma once
// What the loader hands to the training step.

#include <cstdint>
#include <vector>

namespace ingot {

/// Rows of token windows, row-major [rows, seq_len]. Targets are the next tokens; -1 marks a position without a target
/// (padding, or the last input of a document where nothing opens the next one: windows.h). A document is its run within
/// one row: ids count from 0 in each row.
struct Batch {
  std::int64_t rows = 0;
  std::int64_t seq_len = 0;
  std::vector<std::int32_t> tokens;     // [rows, seq_len], in 0..vocab_size-1
  std::vector<std::int32_t> targets;    // [rows, seq_len], token id or -1
  std::vector<std::int32_t> documents;  // [rows, seq_len], non-decreasing in a row, from 0
  std::vector<std::int64_t> samples;    // [rows], the global sample index of each row
  std::int64_t target_count = 0;        // targets that are not -1
};

}  // namespace ingot
