#include "base/error.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

TEST(Error, CarriesPlaceAndExitCode) {
  const ConfigError error({"run.yaml", 3, 7}, "optim.lr: expected a number");
  EXPECT_STREQ(error.what(), "run.yaml:3:7: optim.lr: expected a number");
  EXPECT_EQ(error.code(), ExitCode::kConfig);
  EXPECT_STREQ(DataError(Location{"a.txt"}, "empty").what(), "a.txt: empty");
  EXPECT_STREQ(DataError(Location{}, "no text").what(), "no text");
  EXPECT_EQ((Location{"a", 4, 0}).text(), "a:4");
}

}  // namespace
}  // namespace ingot
