#pragma once
// Memory that is given back to the system while its tensor lives on.

#include <ATen/core/Tensor.h>

namespace ingot {

/// Zeroes a contiguous tensor on the CPU. Its whole pages take no memory until something is written to them again; what
/// lies beside them is filled. The tensor's memory must be the process's own, not that of a file.
void release_pages(const at::Tensor& tensor);

}  // namespace ingot
