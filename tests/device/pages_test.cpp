#include "device/pages.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <utility>

#include "support/resident.h"

namespace ingot {
namespace {

using testing::resident_bytes, testing::use_small_pages;

TEST(Pages, AReleasedTensorIsZeroAndTakesNoMemory) {
  const auto x = at::empty({1 << 20}, at::kFloat);
  use_small_pages(x);
  x.fill_(3);
  EXPECT_GE(resident_bytes(x), x.nbytes());
  release_pages(x);
  EXPECT_LE(resident_bytes(x), std::size_t{16} << 10);  // the pages that it shares with others
  EXPECT_TRUE(x.equal(at::zeros_like(x)));
}

TEST(Pages, WhatLiesBesideAPartStays) {
  for (const auto& [begin, length] :
       {std::pair<std::int64_t, std::int64_t>{0, 7}, {5, 1000}, {1, 5000}, {1023, 9001}}) {
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
