// Baselines: what counts as slower, and what is no baseline at all.

#include "bench/report.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "device/machine.h"
#include "support/temp_dir.h"

namespace ingot {
namespace {

BenchReport report_of(const std::vector<BenchResult>& results) {
  BenchReport report;
  report.kind = "op";
  report.machine.cpu = "Some CPU";
  report.machine.threads = 2;
  report.settings = {{"d_model", 512}, {"dtype", "fp32"}};
  report.results = results;
  return report;
}

BenchResult result(const std::string& name, double median, double spread = 0) {
  return {name, {median, median * (1 - spread / 2), median * (1 + spread / 2), 9}, {}};
}

nlohmann::json stored(const BenchReport& report) { return nlohmann::json::parse(to_json(report).dump()); }

std::string refusal(const BenchReport& report, const nlohmann::json& baseline) {
  try {
    compare_with_baseline(report, baseline, "old.json");
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(Baseline, AFewPercentAreNoise) {
  const auto old = stored(report_of({result("a", 1), result("b", 1), result("c", 1), result("d", 1)}));
  const auto changes = compare_with_baseline(
      report_of({result("a", 1.04), result("b", 1.06), result("c", 0.97), result("d", 0.9)}), old, "old.json");
  ASSERT_EQ(changes.size(), 4u);
  EXPECT_EQ(changes[0].change, Change::kSame);
  EXPECT_EQ(changes[1].change, Change::kSlower);
  EXPECT_EQ(changes[2].change, Change::kSame);
  EXPECT_EQ(changes[3].change, Change::kFaster);
  EXPECT_TRUE(got_slower(changes));
  EXPECT_NE(changes_text(changes).find("SLOWER"), std::string::npos);
}

TEST(Baseline, TheStoredSpreadWidensTheBand) {
  const auto old = stored(report_of({result("a", 1, 0.3)}));
  EXPECT_FALSE(got_slower(compare_with_baseline(report_of({result("a", 1.25)}), old, "old.json")));
  EXPECT_TRUE(got_slower(compare_with_baseline(report_of({result("a", 1.35)}), old, "old.json")));
}

TEST(Baseline, ResultsOfOneSideAreShownAndDoNotCount) {
  const auto old = stored(report_of({result("gone", 1), result("both", 1)}));
  const auto changes = compare_with_baseline(report_of({result("both", 1), result("added", 9)}), old, "old.json");
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(changes[0].change, Change::kSame);
  EXPECT_EQ(changes[1].change, Change::kNew);
  EXPECT_EQ(changes[2].change, Change::kMissing);
  EXPECT_FALSE(got_slower(changes));
}

TEST(Baseline, AnotherMachineKindOrSettingIsRefusedInOneLine) {
  const auto report = report_of({result("a", 1)});
  EXPECT_EQ(refusal(report, stored(report)), "");
  auto other = report;
  other.machine.cpu = "Another CPU";
  EXPECT_EQ(refusal(report, stored(other)),
            "old.json is no baseline for this: cpu was \"Another CPU\", now \"Some CPU\"");
  other = report;
  other.machine.threads = 8;
  EXPECT_EQ(refusal(report, stored(other)), "old.json is no baseline for this: threads was 8, now 2");
  other = report;
  other.settings["d_model"] = 1024;
  EXPECT_EQ(refusal(report, stored(other)), "old.json is no baseline for this: d_model was 1024, now 512");
  other = report;
  other.kind = "step";
  EXPECT_NE(refusal(report, stored(other)), "");
}

TEST(Baseline, OnlyReportsAreRead) {
  const testing::TempDir folder;
  auto report = report_of({result("a", 1)});
  write_file_atomic(folder / "elsewhere.json", to_json(report).dump());
  EXPECT_THROW(read_baseline(folder / "elsewhere.json"), ConfigError) << "another CPU";
  report.machine.cpu = cpu_name();
  write_file_atomic(folder / "report.json", to_json(report).dump());
  EXPECT_EQ(read_baseline(folder / "report.json").at("results").size(), 1u);
  write_file_atomic(folder / "other.json", "{\"results\": []}");
  EXPECT_THROW(read_baseline(folder / "other.json"), ConfigError);
  write_file_atomic(folder / "text.json", "no JSON");
  EXPECT_THROW(read_baseline(folder / "text.json"), ConfigError);
  EXPECT_THROW(read_baseline(folder / "absent.json"), Error);
}

}  // namespace
}  // namespace ingot
