#include <gtest/gtest.h>

#include "nn/golden.h"

namespace ingot::testing {
namespace {

TEST(Reglu, MatchesGolden) { expect_gated_ffn("{type: reglu, width: 4}", "reglu"); }

}  // namespace
}  // namespace ingot::testing
