#pragma once
// Heads of a mixer: their number, their width, or both are given.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ingot {

struct HeadSizes {
  std::int64_t heads = 0, head_dim = 0;
};

/// What is not given follows from heads · head_dim = d_model.
HeadSizes head_sizes(const std::optional<std::int64_t>& num_heads, const std::optional<std::int64_t>& head_dim,
                     std::int64_t d_model);

/// (key, problem) where head_sizes would not come out even, or nothing is given; empty if all is well.
std::vector<std::pair<std::string, std::string>> check_heads(const std::optional<std::int64_t>& num_heads,
                                                             const std::optional<std::int64_t>& head_dim,
                                                             std::int64_t d_model);

}  // namespace ingot
