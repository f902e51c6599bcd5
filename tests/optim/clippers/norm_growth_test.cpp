#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "optim/bench.h"

namespace ingot::testing {
namespace {

std::unique_ptr<Clipper> make_norm_growth(const std::string& yaml) {
  const auto clipper = read_clipper(yaml);
  return clipper.entry().make(clipper.settings());
}

/// Fira's limiter as its release has it, for one tensor.
class FiraLimiter {
 public:
  explicit FiraLimiter(double gamma) : gamma_(gamma) {}
  double factor(double norm) {
    if (!begun_) {
      begun_ = true;
      before_ = norm;
      return 1;
    }
    const double limiter = std::max(norm / (before_ + 1e-8), gamma_) / gamma_;
    before_ = norm / limiter;
    return 1 / limiter;
  }

 private:
  double gamma_, before_ = 0;
  bool begun_ = false;
};

const std::vector<double> kGrowingNorms = {0.5, 0.6, 0.3, 0.31, 5.0, 5.0, 0.2, 0.2001};

TEST(NormGrowth, LimitsAllTogetherAsFiraDoesATensor) {
  const auto clipper = make_norm_growth("{type: norm_growth, per: total, limit: 1.1}");
  EXPECT_FALSE(clipper->looks_at_parameters());
  FiraLimiter limiter(1.1);
  for (const double norm : kGrowingNorms) EXPECT_NEAR(clipper->factor({norm}), limiter.factor(norm), 1e-15) << norm;
}

TEST(NormGrowth, LimitsEachParameterByItself) {
  const auto clipper = make_norm_growth("norm_growth");
  ASSERT_TRUE(clipper->looks_at_parameters());
  Master a, b;
  a.index = 0;
  b.index = 2;  // one between them is not trained
  FiraLimiter of_a(1.01), of_b(1.01);
  for (std::size_t t = 0; t < kGrowingNorms.size(); ++t) {
    GradientNorms norms;
    norms.parameters = {{&a, 0, kGrowingNorms[t]}, {&b, 0, kGrowingNorms[kGrowingNorms.size() - 1 - t]}};
    norms.total = 1;
    EXPECT_EQ(clipper->factor(norms), 1);
    for (const auto& p : norms.parameters) {
      Master part = *p.master;
      part.grad = at::full({4}, p.norm / 2, at::kDouble);  // of that norm
      clipper->clip_units_of(part, 1);
      const double expected = p.norm * (p.master == &a ? of_a : of_b).factor(p.norm);
      EXPECT_NEAR(part.grad.norm().item<double>(), expected, 1e-12) << t;
    }
  }
}

TEST(NormGrowth, BeginsWithTheFirstGradientThatIsNot0AndKeepsItsState) {
  const auto clipper = make_norm_growth("{type: norm_growth, per: total, limit: 2}");
  EXPECT_EQ(clipper->factor({0}), 1);
  EXPECT_EQ(clipper->factor({3}), 1);
  EXPECT_EQ(clipper->factor({std::numeric_limits<double>::infinity()}), 1);
  const auto other = make_norm_growth("{type: norm_growth, per: total, limit: 2}");
  other->restore(clipper->state());
  EXPECT_NEAR(other->factor({12}), 0.5, 1e-8);
}

TEST(NormGrowth, RefusesALimitBelow1) { EXPECT_THROW(read_clipper("{type: norm_growth, limit: 0.9}"), ConfigError); }

}  // namespace
}  // namespace ingot::testing
