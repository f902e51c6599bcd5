#include "study/tune_scaling.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace ingot {
namespace {

TEST(TuneScaling, OverridesHaveNumbersForWidths) {
  EXPECT_EQ(at_width("a=1", 64), "a=1");
  EXPECT_EQ(at_width("heads={width/16}", 64), "heads=4");
  EXPECT_EQ(at_width("x={a: {width}, b: {width*3}}", 64), "x={a: 64, b: 192}");
}

TEST(TuneScaling, RefusesWhatIsNoNumberOfTheWidth) {
  for (const char* text : {"h={width/5}", "h={width/}", "h={width+1}", "h={width/x}", "h={width/0}", "h={width"}) {
    EXPECT_THROW(at_width(text, 64), ConfigError) << text;
  }
}

TEST(TuneScaling, VerdictsFollowTheExponent) {
  std::vector<std::pair<std::int64_t, std::vector<PlaceSize>>> sizes;
  for (const std::int64_t width : {64, 128, 256}) {
    const double w = static_cast<double>(width);
    sizes.push_back({width, {{"flat", 1, 2}, {"grows", 1, std::sqrt(w)}, {"shrinks", 1 / w, 1 / w}, {"still", 1, 0}}});
  }
  const auto judged = verdicts(sizes, 0.25);
  ASSERT_EQ(judged.size(), 4U);
  EXPECT_EQ(judged[0].verdict, "holds");
  EXPECT_EQ(judged[1].verdict, "moves more in wider models");
  EXPECT_NEAR(judged[1].moved_slope, 0.5, 1e-12);
  EXPECT_EQ(judged[2].verdict, "moves less in wider models");
  EXPECT_NEAR(judged[2].start_slope, -1, 1e-12);
  EXPECT_EQ(judged[3].verdict, "does not move");
}

}  // namespace
}  // namespace ingot
