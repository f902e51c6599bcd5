#include "base/text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "base/random.h"

namespace ingot {
namespace {

TEST(Text, JoinsSplitsAndTrims) {
  EXPECT_EQ(join({"a", "b", "c"}, ", "), "a, b, c");
  EXPECT_EQ(join({}, ", "), "");
  EXPECT_EQ(split("a..b", '.'), (std::vector<std::string>{"a", "", "b"}));
  EXPECT_EQ(split("", '.'), (std::vector<std::string>{""}));
  EXPECT_EQ(trim("  a b\t\n"), "a b");
  EXPECT_EQ(trim(" \n"), "");
  EXPECT_EQ(cat("step ", 3, " of ", 4.5), "step 3 of 4.5");
}

TEST(Text, DoublesReadBackAndLookLikeFloats) {
  EXPECT_EQ(format_double(1), "1.0");
  EXPECT_EQ(format_double(0), "0.0");
  EXPECT_EQ(format_double(-0.5), "-0.5");
  EXPECT_EQ(format_double(3e-4), "0.0003");
  EXPECT_EQ(format_double(1e-5), "1.0e-05");
  EXPECT_EQ(format_double(1.5e-8), "1.5e-08");
  EXPECT_EQ(format_double(1e20), "1.0e+20");
  EXPECT_EQ(format_double(123456789), "123456789.0");
  RandomStream random(11, "doubles");
  for (int i = 0; i < 20000; ++i) {
    const double value = std::ldexp(random.uniform(-1, 1), static_cast<int>(random.below(2000)) - 1000);
    const std::string text = format_double(value);
    ASSERT_EQ(std::strtod(text.c_str(), nullptr), value) << text;
    ASSERT_NE(text.find('.'), std::string::npos) << text;
  }
  const double smallest = std::numeric_limits<double>::denorm_min();
  EXPECT_EQ(std::strtod(format_double(smallest).c_str(), nullptr), smallest);
}

TEST(Text, FormatsForPeople) {
  EXPECT_EQ(format_grouped(965389440), "965,389,440");
  EXPECT_EQ(format_grouped(999), "999");
  EXPECT_EQ(format_grouped(-1000), "-1,000");
  EXPECT_EQ(format_grouped(-100), "-100");
  EXPECT_EQ(format_count(965389440), "965.4M");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1000), "1.0k");
  EXPECT_EQ(format_count(999999), "1.0M");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1.5 * 1024 * 1024 * 1024), "1.5 GiB");
  EXPECT_EQ(format_duration(0.85), "850 ms");
  EXPECT_EQ(format_duration(12.34), "12.3 s");
  EXPECT_EQ(format_duration(245), "4 min 05 s");
  EXPECT_EQ(format_duration(3599.7), "1 h 00 min");
  EXPECT_EQ(format_duration(3 * 3600 + 12 * 60), "3 h 12 min");
  EXPECT_EQ(format_duration(3 * 86400), "3 d 00 h");
}

TEST(Text, SuggestsLikelySlipsOnly) {
  const std::vector<std::string> names = {"num_heads", "num_kv_heads", "head_dim", "window"};
  EXPECT_EQ(closest("n_heads", names), "num_heads");
  EXPECT_EQ(closest("num_head", names), "num_heads");
  EXPECT_EQ(closest("heads", names), "num_heads");
  EXPECT_EQ(closest("NUM_HEADS", names), "num_heads");
  EXPECT_EQ(closest("widnow", names), "window");
  EXPECT_EQ(closest("temperature", names), "");
  EXPECT_EQ(closest("x", {"y"}), "");
  EXPECT_EQ(did_you_mean("rmsnorm", {"rms_norm", "layer_norm"}), " (did you mean 'rms_norm'?)");
  EXPECT_EQ(did_you_mean("rmsnorm", {}), "");
}

TEST(Text, MatchesGlobs) {
  EXPECT_TRUE(glob_match("layers.*.mixer.q.weight", "layers.12.mixer.q.weight"));
  EXPECT_FALSE(glob_match("layers.*.mixer.q.weight", "layers.12.mixer.k.weight"));
  EXPECT_TRUE(glob_match("*", ""));
  EXPECT_TRUE(glob_match("*.weight", "a.weight.weight"));
  EXPECT_TRUE(glob_match("layers.?.*", "layers.3.x"));
  EXPECT_FALSE(glob_match("layers.?.*", "layers.13.x"));
  EXPECT_TRUE(glob_match("layers.[0-3].*", "layers.3.x"));
  EXPECT_FALSE(glob_match("layers.[!0-3].*", "layers.3.x"));
  EXPECT_TRUE(glob_match("[qkv]", "k"));
  EXPECT_FALSE(glob_match("", "a"));
  EXPECT_TRUE(glob_match("", ""));
  EXPECT_TRUE(glob_match("a[b", "a[b"));
  EXPECT_FALSE(glob_match("weight", "weights"));
}

}  // namespace
}  // namespace ingot
