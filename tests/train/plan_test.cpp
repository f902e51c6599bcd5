#include "train/plan.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

using Lines = std::vector<std::string>;

TEST(CompareTables, NamesCellsThatDifferRowsThatCameAndRowsThatWent) {
  const Table before{"parameters", {"shape", "lr"}, {{"a", {"2x3", "0.1"}}, {"b", {"4", "0.1"}}, {"c", {"5", "1"}}}};
  const Table after{"parameters", {"shape", "lr"}, {{"a", {"2x4", "0.2"}}, {"c", {"5", "1"}}, {"d", {"6", "1"}}}};
  EXPECT_EQ(compare_tables(before, after), (Lines{"  a: shape 2x3 -> 2x4; lr 0.1 -> 0.2", "  d: new", "  b: gone"}));
  EXPECT_EQ(compare_tables(before, before), Lines{});
}

TEST(CompareTables, CountsWhatIsBeyondTheLimit) {
  Table before{"parameters", {"lr"}, {}}, after = before;
  for (int i = 0; i < 5; ++i) after.rows.push_back({std::to_string(i), {"1"}});
  EXPECT_EQ(compare_tables(before, after, 2), (Lines{"  0: new", "  1: new", "  … and 3 more parameters"}));
}

}  // namespace
}  // namespace ingot
