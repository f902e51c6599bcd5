#include "nn/heads.h"

#include "base/text.h"

namespace ingot {

HeadSizes head_sizes(const std::optional<std::int64_t>& num_heads, const std::optional<std::int64_t>& head_dim,
                     std::int64_t d_model) {
  const std::int64_t heads = num_heads ? *num_heads : d_model / head_dim.value_or(d_model);
  return {heads, head_dim ? *head_dim : d_model / heads};
}

std::vector<std::pair<std::string, std::string>> check_heads(const std::optional<std::int64_t>& num_heads,
                                                             const std::optional<std::int64_t>& head_dim,
                                                             std::int64_t d_model) {
  if (!num_heads && !head_dim) return {{"num_heads", "missing: expected num_heads or head_dim"}};
  if (!num_heads && d_model % *head_dim != 0) {
    return {{"head_dim", cat(*head_dim, " does not divide d_model ", d_model)}};
  }
  if (!head_dim && d_model % *num_heads != 0) {
    return {{"num_heads", cat(*num_heads, " does not divide d_model ", d_model)}};
  }
  return {};
}

}  // namespace ingot
