#pragma once
// Random numbers of a forward pass: dropout, the jitter of a router.

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "nn/pass.h"

namespace ingot {

/// Uniform in [0, 1), fp32 [B, row_shape...] on `device`. Row b depends on the seed, the number of the update, `site`
/// and the index of its sample alone: the same for any split into micro-batches and ranks, where it is computed again,
/// and on any device (drawn on the CPU). `site` names the place that draws, such as its ParamScope::prefix(). Needs
/// pass.samples.
at::Tensor uniform_noise(const Pass& pass, const std::string& site, const std::vector<std::int64_t>& row_shape,
                         at::Device device = at::kCPU);

}  // namespace ingot
