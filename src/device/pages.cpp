#include "device/pages.h"

#include <ATen/core/TensorBody.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace ingot {

void release_pages(const at::Tensor& tensor) {
  if (tensor.numel() == 0) return;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(tensor.mutable_data_ptr());
  const auto end = begin + tensor.nbytes();
  const auto first = std::min((begin + page - 1) / page * page, end);
  const auto last = std::max(end / page * page, first);
  std::memset(reinterpret_cast<void*>(begin), 0, first - begin);
  std::memset(reinterpret_cast<void*>(last), 0, end - last);
  auto* const pages = reinterpret_cast<void*>(first);
  if (last > first && ::madvise(pages, last - first, MADV_DONTNEED) != 0) {  // locked memory, say
    std::memset(pages, 0, last - first);
  }
}

}  // namespace ingot
