#include <gtest/gtest.h>

#include "nn/golden.h"

namespace ingot::testing {
namespace {

TEST(Elu, MatchesGolden) {
  expect_activation("elu", "elu");
  expect_activation("{type: elu, alpha: 0.5}", "elu_half");
}

}  // namespace
}  // namespace ingot::testing
