#include <gtest/gtest.h>

#include "nn/golden.h"

namespace ingot::testing {
namespace {

TEST(Geglu, MatchesGolden) { expect_gated_ffn("{type: geglu, width: 4}", "geglu"); }

}  // namespace
}  // namespace ingot::testing
