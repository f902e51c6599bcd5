#include "base/error.h"

#include <gtest/gtest.h>

#include <new>
#include <stdexcept>
#include <system_error>

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

TEST(Error, AnythingThrownHasItsExitCode) {
  EXPECT_EQ(as_error(DataError("no text")).code(), ExitCode::kData);
  EXPECT_EQ(as_error(std::bad_alloc()).code(), ExitCode::kOutOfMemory);
  EXPECT_EQ(as_error(std::runtime_error("DefaultCPUAllocator: can't allocate memory: you tried …")).code(),
            ExitCode::kOutOfMemory);
  const auto thread = std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
  EXPECT_EQ(as_error(thread).code(), ExitCode::kOutOfMemory);
  EXPECT_EQ(as_error(std::system_error(std::make_error_code(std::errc::io_error))).code(), ExitCode::kOther);
  const auto other = as_error(std::runtime_error("first line\nsecond line"));
  EXPECT_EQ(other.code(), ExitCode::kOther);
  EXPECT_STREQ(other.what(), "first line");
}

}  // namespace
}  // namespace ingot
