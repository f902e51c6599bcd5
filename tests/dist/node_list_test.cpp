#include "dist/node_list.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ingot {
namespace {

using Names = std::vector<std::string>;

TEST(NodeList, ExpandsRangesWithTheirZeros) {
  EXPECT_EQ(expand_node_list("gpu[01-03,7],login"), (Names{"gpu01", "gpu02", "gpu03", "gpu7", "login"}));
  EXPECT_EQ(expand_node_list("n[099-101]"), (Names{"n099", "n100", "n101"}));
  EXPECT_EQ(expand_node_list("one"), (Names{"one"}));
  EXPECT_EQ(expand_node_list("r[1-2]n[5,6]-ib"), (Names{"r1n5-ib", "r1n6-ib", "r2n5-ib", "r2n6-ib"}));
  EXPECT_TRUE(expand_node_list("").empty());
}

TEST(NodeList, WhatIsNoListIsAnError) {
  for (const auto* text : {"gpu[01-03", "gpu]1[", "gpu[a-b]", "gpu[3-1]", "gpu[[1]]"}) {
    EXPECT_THROW(expand_node_list(text), ConfigError) << text;
  }
}

TEST(NodeList, TaskCountsRepeat) {
  EXPECT_EQ(expand_task_counts("4(x2),3"), (std::vector<int>{4, 4, 3}));
  EXPECT_EQ(expand_task_counts("8"), (std::vector<int>{8}));
  EXPECT_THROW(expand_task_counts("4(x2"), ConfigError);
  EXPECT_THROW(expand_task_counts("many"), ConfigError);
}

}  // namespace
}  // namespace ingot
