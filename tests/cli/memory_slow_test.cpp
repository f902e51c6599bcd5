// The memory of a whole process against what plan says of its tensors.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/program.h"

namespace ingot {
namespace {

using namespace testing;
using nlohmann::json;

class ProcessMemory : public Program {};

TEST_F(ProcessMemory, PeaksWithinATenthOfThePlanAndFaultsNoMore) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer keeps freed blocks";
#endif
  const auto result = ingot({"bench", "step", source_path("configs/quickstart.yaml"), "--steps", "2", "--warm-up", "2",
                             "--profiled", "0", "--json", "train.precision=fp32"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json step = json::parse(result.out)["results"][0];
  const double program = step["program_bytes"], peak = step["peak_resident_bytes"], planned = step["planned_bytes"];
  EXPECT_NEAR((peak - program) / planned, 1, 0.1) << "peak " << peak << ", program " << program << ", plan " << planned;
  EXPECT_LT(step["minor_faults"].get<double>(), 100);
}

}  // namespace
}  // namespace ingot
