// What every init of the registry draws, against what it says that it draws.

#include <ATen/ops/allclose.h>
#include <ATen/ops/eye.h>

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

/// Signs times `factor` (`has_one_size`), or columns (the rows of a wide matrix) of that length; orthogonal either way.
void expect_even(const at::Tensor& values, double factor, bool has_one_size) {
  if (has_one_size) {
    EXPECT_TRUE(values.abs().eq(factor).all().item<bool>());
  }
  const at::Tensor tall = values.size(0) < values.size(1) ? values.t() : values;
  const double square = factor * factor * static_cast<double>(has_one_size ? tall.size(0) : 1);
  const at::Tensor expected = square * at::eye(tall.size(1), at::kDouble);
  EXPECT_TRUE(at::allclose(tall.t().mm(tall), expected, 0, 1e-12));
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
    } else if (text == "identity") {
      EXPECT_TRUE(values.equal(at::eye(info->shape[0], info->shape[1], at::kDouble)));
    } else if (text.starts_with("hadamard x ") || text.starts_with("orthogonal x ")) {
      expect_even(values, std::stod(text.substr(text.find('x') + 1)), text[0] == 'h');
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
  const auto text = init->text(m.q);
  const bool is_drawn = text != "zeros" && text != "identity";
  EXPECT_EQ(drawn(*init, m.q).equal(drawn(*init, m.q, 2)), !is_drawn);
}

INSTANTIATE_TEST_SUITE_P(All, DrawnValues, ::testing::ValuesIn(variant_cases<InitEntry>()),
                         [](const auto& test) { return test.param.label; });

}  // namespace
}  // namespace ingot::testing
