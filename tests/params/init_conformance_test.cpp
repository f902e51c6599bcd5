// What every init of the registry draws, against what it says that it draws.

#include "params/init_harness.h"

namespace ingot::testing {
namespace {

class DrawnValues : public ::testing::TestWithParam<VariantCase<InitEntry>> {
 protected:
  std::unique_ptr<Init> make() const {
    const auto& variant = GetParam().variant;
    return variant.entry().make(variant.settings(), InitContext{24});
  }
};

/// The numbers in "uniform(-0.1, 0.1)" or "normal(0, 0.02)".
std::pair<double, double> numbers(const std::string& text) {
  const auto open = text.find('('), comma = text.find(',');
  return {std::stod(text.substr(open + 1)), std::stod(text.substr(comma + 1))};
}

TEST_P(DrawnValues, HaveTheDistributionOfItsText) {
  const Matrices m;
  const auto init = make();
  for (const auto* info : {&m.q, &m.v, &m.o, &m.gate, &m.up, &m.down, &m.embedding}) {
    const auto text = init->text(*info);
    SCOPED_TRACE(cat(info->part, " ", text));
    const at::Tensor values = drawn(*init, *info);
    if (text == "zeros") {
      EXPECT_EQ(values.abs().max().item<double>(), 0);
    } else if (text.starts_with("uniform(")) {
      const auto [low, high] = numbers(text);
      EXPECT_EQ(low, -high);
      expect_uniform(values, high);
    } else {
      ASSERT_TRUE(text.starts_with("normal(0, "));
      expect_normal(values, numbers(text).second);
    }
  }
}

TEST_P(DrawnValues, DependOnTheStreamAlone) {
  const Matrices m;
  const auto init = make();
  EXPECT_TRUE(drawn(*init, m.q).equal(drawn(*init, m.q)));
  EXPECT_FALSE(drawn(*init, m.q).equal(drawn(*init, m.q, 2)));
}

INSTANTIATE_TEST_SUITE_P(All, DrawnValues, ::testing::ValuesIn(variant_cases<InitEntry>()),
                         [](const auto& test) { return test.param.label; });

}  // namespace
}  // namespace ingot::testing
