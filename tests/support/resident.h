#pragma once

#include <ATen/core/TensorBody.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vector>

namespace ingot::testing {

/// Keeps huge pages away from a tensor's memory, so that bytes count page by page on every machine.
inline void use_small_pages(const at::Tensor& tensor) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<std::uintptr_t>(tensor.const_data_ptr());
  const auto begin = address / page * page;
  ::madvise(reinterpret_cast<void*>(begin), address + tensor.nbytes() - begin, MADV_NOHUGEPAGE);
}

/// Bytes of the pages of a CPU tensor's memory that the system holds, those at its ends as a whole.
inline std::size_t resident_bytes(const at::Tensor& tensor) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<std::uintptr_t>(tensor.const_data_ptr());
  const auto begin = address / page * page, end = address + tensor.nbytes();
  std::vector<unsigned char> states((end - begin + page - 1) / page);
  EXPECT_EQ(::mincore(reinterpret_cast<void*>(begin), end - begin, states.data()), 0);
  std::size_t count = 0;
  for (const auto state : states) count += state & 1;
  return count * page;
}

}  // namespace ingot::testing
