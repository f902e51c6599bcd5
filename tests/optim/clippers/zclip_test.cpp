#include <gtest/gtest.h>

#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "optim/bench.h"

namespace ingot::testing {
namespace {

std::unique_ptr<Clipper> make_zclip(const std::string& yaml) {
  const auto clipper = read_clipper(yaml);
  return clipper.entry().make(clipper.settings());
}

nlohmann::json golden_zclip() {
  std::ifstream file(INGOT_SOURCE_DIR "/tests/golden/authors_clippers.json");
  return nlohmann::json::parse(file);
}

TEST(Zclip, FollowsTheReleasedCode) {
  const auto expected = golden_zclip();
  const auto norms = expected.at("norms").get<std::vector<double>>();
  for (const auto& [name, one] : expected.at("cases").items()) {
    const auto clipper = make_zclip(one.at("yaml"));
    for (std::size_t t = 0; t < norms.size(); ++t) {
      EXPECT_NEAR(clipper->factor({norms[t]}), one.at("factors").at(t).get<double>(), 1e-12) << name << ", step " << t;
    }
  }
}

TEST(Zclip, GoesOnFromItsState) {
  const auto norms = golden_zclip().at("norms").get<std::vector<double>>();
  for (const std::size_t stop : {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{40}}) {
    const auto whole = make_zclip("{type: zclip, warmup: 10}"), first = make_zclip("{type: zclip, warmup: 10}");
    auto second = make_zclip("{type: zclip, warmup: 10}");
    for (std::size_t t = 0; t < norms.size(); ++t) {
      if (t == stop) second->restore(first->state());
      const double factor = whole->factor({norms[t]});
      EXPECT_EQ((t < stop ? first : second)->factor({norms[t]}), factor) << stop << ", step " << t;
    }
  }
}

TEST(Zclip, SkipsSpikesButGetsUsedToThem) {
  const auto clipper = make_zclip("{type: zclip, to: skip, warmup: 4, alpha: 0.8, max_norm: null}");
  for (const double norm : {1.0, 1.1, 0.9, 1.0}) EXPECT_EQ(clipper->factor({norm}), 1);
  EXPECT_EQ(clipper->factor({5}), 0);
  EXPECT_EQ(clipper->factor({1}), 1);
  int skipped = 0;
  while (clipper->factor({1.6}) == 0) ASSERT_LT(++skipped, 200);
  EXPECT_GT(skipped, 0);
}

TEST(Zclip, NormsThatAreNotFiniteEnterNothing) {
  const auto clipper = make_zclip("{type: zclip, warmup: 3}");
  for (const double norm : {1.0, 1.1, 0.9, 1.0}) clipper->factor({norm});
  const auto before = clipper->state();
  clipper->factor({std::numeric_limits<double>::quiet_NaN()});
  clipper->factor({std::numeric_limits<double>::infinity()});
  EXPECT_EQ(clipper->state(), before);
}

TEST(Zclip, RefusesAShareOf1) { EXPECT_THROW(read_clipper("{type: zclip, alpha: 1}"), ConfigError); }

}  // namespace
}  // namespace ingot::testing
