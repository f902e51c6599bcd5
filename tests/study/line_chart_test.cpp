#include "study/line_chart.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ingot {
namespace {

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

TEST(LineChart, LeavesOutWhatHasNoPlace) {
  const double nan = std::nan("");
  const LineChart chart{"a < b", "x", "y", true, true, {{"one", {{1, 1}, {10, 2}, {0, 3}, {5, nan}, {100, -1}}}}};
  const auto svg = to_svg(chart);
  EXPECT_EQ(count(svg, "<circle"), 2U);
  EXPECT_EQ(count(svg, "nan"), 0U);
  EXPECT_EQ(count(svg, "a &lt; b"), 1U);
}

TEST(LineChart, LogarithmicDecadesAreEquallyFarApart) {
  const auto svg = to_svg({"", "x", "y", true, false, {{"one", {{1, 0}, {10, 1}, {100, 2}}}}});
  std::vector<double> x;
  for (auto at = svg.find("<circle cx=\""); at != std::string::npos; at = svg.find("<circle cx=\"", at + 1)) {
    x.push_back(std::stod(svg.substr(at + 12)));
  }
  ASSERT_EQ(x.size(), 3U);
  EXPECT_NEAR(x[1] - x[0], x[2] - x[1], 0.2);
  EXPECT_GT(x[1], x[0]);
}

TEST(LineChart, OfNothingOrOneValueIsStillADocument) {
  EXPECT_EQ(count(to_svg({"", "x", "y", false, false, {}}), "</svg>"), 1U);
  const auto svg = to_svg({"", "x", "y", true, false, {{"one", {{1e-3, 2}}}}});
  EXPECT_EQ(count(svg, "<circle"), 1U);
  EXPECT_EQ(count(svg, "inf") + count(svg, "nan"), 0U);
}

TEST(LineChart, BarsReachFromOneCharacterToAll) {
  EXPECT_EQ(text_bar(1, 1, 3, 10).size(), 1U);
  EXPECT_EQ(text_bar(3, 1, 3, 10).size(), 10U);
  EXPECT_EQ(text_bar(7, 1, 3, 10).size(), 10U);
  EXPECT_EQ(text_bar(1, 1, 1, 10).size(), 1U);
}

}  // namespace
}  // namespace ingot
