#include "registry/family.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "registry/lookup.h"
#include "registry/markdown.h"

namespace ingot {
namespace {

struct NormEntry : Entry {
  static constexpr const char* kFamily = "norms";
  int extra = 0;
};
struct PositionEntry : Entry {
  static constexpr const char* kFamily = "positions";
};
struct Settings {
  double eps = 1e-6;
};
void describe(Fields& f, Settings& c) { f.field("eps", c.eps, "added | small", Rule{}.above(0)); }
struct Nothing {};
void describe(Fields&, Nothing&) {}

void fill(Families& families) {
  auto& norms = families.add<NormEntry>();
  norms.add<Settings>("rms_norm", "Divides by the root mean square.", "A 2019").extra = 7;
  norms.add<Nothing>("none", "Changes nothing.", "");
  families.add<PositionEntry>();
}

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Family, FindsEntriesByName) {
  Families families;
  fill(families);
  const auto& norms = families.get<NormEntry>();
  EXPECT_EQ(norms.names(), (std::vector<std::string>{"none", "rms_norm"}));
  EXPECT_EQ(norms.at("rms_norm").extra, 7);
  EXPECT_EQ(norms.find("x"), nullptr);
  EXPECT_EQ(families.names(), (std::vector<std::string>{"norms", "positions"}));
  EXPECT_EQ(message_of([&] { norms.at("rmsnorm"); }), "no norms variant is named 'rmsnorm' (did you mean 'rms_norm'?)");
  EXPECT_EQ(message_of([&] { norms.at("batch"); }),
            "no norms variant is named 'batch', expected one of none, rms_norm");
}

TEST(Family, RefusesSecondNamesAndUnknownFamilies) {
  Families families;
  fill(families);
  EXPECT_THROW(families.add<NormEntry>(), std::logic_error);
  EXPECT_THROW(families.at("mixers"), std::logic_error);
  Family<NormEntry> norms;
  norms.add<Nothing>("none", "", "");
  EXPECT_THROW(norms.add<Nothing>("none", "", ""), std::logic_error);
}

TEST(Family, MakesBoundVariants) {
  Families families;
  fill(families);
  const auto norm = make_variant<NormEntry>(families, "rms_norm");
  ASSERT_TRUE(norm.bound());
  EXPECT_EQ(norm.entry().extra, 7);
  EXPECT_EQ(settings_as<Settings>(norm.settings()).eps, 1e-6);
  EXPECT_THROW(settings_as<Nothing>(norm.settings()), std::logic_error);
}

TEST(Lookup, AnswersTheReader) {
  Families families;
  fill(families);
  const FamiliesLookup lookup(families);
  EXPECT_EQ(lookup.find("norms", "none")->name, "none");
  EXPECT_EQ(lookup.find("norms", "x"), nullptr);
  EXPECT_EQ(lookup.find("mixers", "x"), nullptr);
  EXPECT_EQ(lookup.names("norms").size(), 2u);
  EXPECT_TRUE(lookup.names("mixers").empty());
}

TEST(Markdown, HasAPageForEachFamily) {
  Families families;
  fill(families);
  auto pages = variants_pages(families, {{"norms", "What scales."}, {"positions", "Where."}, {"others", "Unused."}});
  ASSERT_EQ(pages.size(), 3u);
  const std::string norms = pages["norms.md"];
  EXPECT_EQ(norms.rfind(kGeneratedPage, 0), 0u);
  EXPECT_NE(norms.find("\n# norms\n\nWhat scales.\n"), std::string::npos) << norms;
  EXPECT_NE(norms.find("| [rms_norm](#rms_norm) | Divides by the root mean square. |\n"), std::string::npos) << norms;
  EXPECT_NE(norms.find("## rms_norm\n\nDivides by the root mean square.  \nA 2019\n\n"), std::string::npos) << norms;
  EXPECT_NE(norms.find("| `eps` | number | `1.0e-06` | > 0 | added \\| small |\n"), std::string::npos) << norms;
  EXPECT_NE(pages["README.md"].find("| [positions](positions.md) | Where. |\n"), std::string::npos);
  EXPECT_THROW(variants_pages(families, {{"norms", "What scales."}}), std::logic_error);
}

TEST(Markdown, GivesJsonAndText) {
  Families families;
  fill(families);
  const auto json = nlohmann::json::parse(variants_json(families));
  EXPECT_EQ(json["norms"][1]["name"], "rms_norm");
  EXPECT_EQ(json["norms"][1]["paper"], "A 2019");
  EXPECT_EQ(json["norms"][1]["fields"][0]["name"], "eps");
  EXPECT_EQ(json["norms"][1]["fields"][0]["default"], "1.0e-06");
  EXPECT_EQ(json["positions"].size(), 0u);
  EXPECT_EQ(nlohmann::json::parse(variants_json(families, "positions")).size(), 1u);
  EXPECT_EQ(message_of([&] { variants_json(families, "norm"); }), "no family is named 'norm' (did you mean 'norms'?)");
  EXPECT_NE(variants_text(families).find("  none      Changes nothing.\n"), std::string::npos);
  EXPECT_NE(variants_text(families, "norms").find("      eps: number > 0, default 1.0e-06; added | small\n"),
            std::string::npos);
}

}  // namespace
}  // namespace ingot
