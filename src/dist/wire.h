#pragma once

namespace ingot {

/// Type of gradients on the network. Sums are made in fp32 either way.
enum class Wire { kFloat32, kBfloat16 };

}  // namespace ingot
