#include "device/pages.h"

#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vector>

namespace ingot {
namespace {

/// Pages of the tensor's memory that the system holds.
std::size_t resident_pages(const at::Tensor& tensor) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(tensor.const_data_ptr()) / page * page;
  const auto end = reinterpret_cast<std::uintptr_t>(tensor.const_data_ptr()) + tensor.nbytes();
  std::vector<unsigned char> states((end - begin + page - 1) / page);
  EXPECT_EQ(::mincore(reinterpret_cast<void*>(begin), end - begin, states.data()), 0);
  std::size_t count = 0;
  for (const auto state : states) count += state & 1;
  return count;
}

TEST(Pages, AReleasedTensorIsZeroAndTakesNoMemory) {
  const auto x = at::full({1 << 20}, 3.0F);
  const auto before = resident_pages(x);
  EXPECT_GE(before, x.nbytes() / static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
  release_pages(x);
  EXPECT_LE(resident_pages(x), 2U);  // those that it shares with others
  EXPECT_TRUE(x.equal(at::zeros_like(x)));
}

TEST(Pages, WhatLiesBesideAPartStays) {
  for (const auto& [begin, length] : {std::pair<std::int64_t, std::int64_t>{0, 7}, {5, 1000}, {1, 5000}, {1023, 9001}}) {
    const auto x = at::full({1 << 16}, 3.0F);
    release_pages(x.narrow(0, begin, length));
    auto expected = at::full({1 << 16}, 3.0F);
    expected.narrow(0, begin, length).zero_();
    EXPECT_TRUE(x.equal(expected)) << begin << " " << length;
  }
  release_pages(at::full({4}, 1.0F).narrow(0, 2, 0));
}

}  // namespace
}  // namespace ingot
