#pragma once
// Random tensors for optimizers, from counter-based streams: the same on every rank and device.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "params/store.h"

namespace ingot {

/// Standard normal numbers of a stream (`stream_key`), in the order of the elements, as `RandomStream::normal` draws
/// them.
at::Tensor normal_noise(at::IntArrayRef shape, std::uint64_t key, const at::TensorOptions& options);

/// A state's start values: standard normal numbers that depend on `purpose` and the master's name alone.
void start_normal(at::Tensor& state, const std::string& purpose, const Master& master);

}  // namespace ingot
