#include "support/golden.h"

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Golden, ReadsTensorsAndMetadata) {
  const Golden golden("rms_norm");
  const at::Tensor x = golden.at("in/x"), gain = golden.at("param/gain");
  EXPECT_EQ(x.scalar_type(), at::kDouble);
  EXPECT_EQ(x.size(-1), gain.size(0));
  EXPECT_EQ(golden.below("param/").count("gain"), 1u);
  const double eps = nlohmann::json::parse(golden.metadata("settings")).at("eps").get<double>();
  const at::Tensor y = x * x.square().mean(-1, true).add(eps).rsqrt() * gain;
  EXPECT_TRUE(close(y, golden.at("out/y"), Tolerance::of(at::kDouble).reduction(x.size(-1))));
}

TEST(Golden, SaysWhatIsMissing) {
  EXPECT_THROW(Golden("no_such_file"), std::runtime_error);
  const Golden golden("rms_norm");
  EXPECT_FALSE(golden.has("in/no"));
  EXPECT_THROW(golden.at("in/no"), std::out_of_range);
  EXPECT_EQ(golden.metadata("no"), "");
}

}  // namespace
}  // namespace ingot::testing
