#include <gtest/gtest.h>

#include "nn/golden.h"

namespace ingot::testing {
namespace {

TEST(Relu, MatchesGolden) { expect_activation("relu", "relu"); }

}  // namespace
}  // namespace ingot::testing
