#include <gtest/gtest.h>

#include "base/error.h"
#include "base/text.h"
#include "model/model_config.h"
#include "support/temp_dir.h"

namespace ingot {
namespace {

using testing::has;
using testing::message_of;

std::string expand(const std::string& pattern, const std::vector<std::string>& names = {"D", "F", "M", "A", "Swa"}) {
  return join(expand_pattern(pattern, names), " ");
}

std::string refusal(const std::string& pattern) {
  return message_of<ConfigError>([&] { expand_pattern(pattern, {"A", "F", "Swa"}); });
}

TEST(Pattern, NamesBlanksAndRepetitions) {
  EXPECT_EQ(expand("DFMF AFMF"), "D F M F A F M F");
  EXPECT_EQ(expand("2x(DF M) A"), "D F M D F M A");
  EXPECT_EQ(expand("2 x (A 2x(DF)) F"), "A D F D F A D F D F F");
  EXPECT_EQ(expand("3xA"), "A A A");
}

TEST(Pattern, TheLongestNameWins) {
  EXPECT_EQ(expand("3x(SwaF) AF"), "Swa F Swa F Swa F A F");
  EXPECT_EQ(expand("SwaS", {"S", "Swa"}), "Swa S");
}

TEST(Pattern, TheFlashModelsHave24And36SubLayers) {
  EXPECT_EQ(expand_pattern("2x(DFMF AFMF) 2x(DFMF)", {"D", "F", "M", "A"}).size(), 24u);
  EXPECT_EQ(expand_pattern("3x(DFMF AFMF) 3x(DFMF)", {"D", "F", "M", "A"}).size(), 36u);
}

TEST(Pattern, MistakesAreNamedWithTheirPlace) {
  EXPECT_TRUE(has(refusal("AFX"), "character 3", "'X'", "A, F, Swa"));
  EXPECT_TRUE(has(refusal("AFSwo"), "'Swo'", "did you mean 'Swa'"));
  EXPECT_TRUE(has(refusal("2x(AF"), "expected ')'"));
  EXPECT_TRUE(has(refusal("AF)"), "')'"));
  EXPECT_TRUE(has(refusal("2(AF)"), "expected 'x'"));
  EXPECT_TRUE(has(refusal("0x(AF)"), "repetition of 0"));
  EXPECT_TRUE(has(refusal("2x"), "after 'x'"));
  EXPECT_TRUE(has(refusal(""), "no sub-layer"));
  EXPECT_TRUE(has(refusal("2x()"), "empty"));
  EXPECT_TRUE(has(refusal("9999x(9999xA)"), "more than"));
  EXPECT_TRUE(has(refusal("99999999999999999999xA"), "more than"));
}

}  // namespace
}  // namespace ingot
