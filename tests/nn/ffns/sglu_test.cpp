#include <gtest/gtest.h>

#include "nn/golden.h"

namespace ingot::testing {
namespace {

TEST(Sglu, MatchesGolden) { expect_gated_ffn("{type: sglu, width: 4}", "sglu"); }

}  // namespace
}  // namespace ingot::testing
