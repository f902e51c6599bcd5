// ingot bench as a user runs it, at sizes that take a moment.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "base/files.h"
#include "cli/program.h"

namespace ingot {
namespace {

using namespace testing;
using nlohmann::json;

class Bench : public Program {
 protected:
  static std::vector<std::string> with(std::vector<std::string> arguments, const std::vector<std::string>& more) {
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  const std::vector<std::string> op = {"bench",     "op", "rms_norm",  "swiglu", "--d-model", "64",   "--rows",    "2",
                                       "--seq-len", "16", "--seconds", "0.02",   "--dtype",   "fp32", "--threads", "1"};
};

TEST_F(Bench, OperationsHaveTimesRatesAndAMachine) {
  const auto result = ingot(with(op, {"--json"}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto report = json::parse(result.out);
  EXPECT_EQ(report["bench"], "op");
  EXPECT_FALSE(report["machine"]["cpu"].get<std::string>().empty());
  EXPECT_GT(report["machine"]["peak_gflops"]["fp32"].get<double>(), 0);
  ASSERT_EQ(report["results"].size(), 3u);
  EXPECT_EQ(report["results"][0]["name"], "norms/rms_norm");
  EXPECT_EQ(report["results"][0]["relative_to_rms_norm"], 1);
  EXPECT_EQ(report["results"][1]["name"], "ffns/swiglu");
  EXPECT_EQ(report["results"][2]["name"], "ops/swiglu");
  for (const auto& row : report["results"]) {
    for (const char* part : {"seconds", "forward_seconds", "backward_seconds"}) {
      EXPECT_GT(row[part]["median"].get<double>(), 0) << row;
      EXPECT_LE(row[part]["lower_quartile"].get<double>(), row[part]["upper_quartile"].get<double>());
      EXPECT_GE(row[part]["runs"].get<int>(), 5);
    }
    for (const char* rate : {"gflops", "share_of_peak", "gigabytes_per_second"}) EXPECT_GT(row[rate].get<double>(), 0);
  }
  EXPECT_EQ(ingot({"bench", "op", "rms_nrom"}).exit_code, 2);
}

TEST_F(Bench, ABaselineIsSavedComparedAndRefused) {
  ASSERT_EQ(ingot(with(op, {"--save", "old.json"})).exit_code, 0);
  auto old = json::parse(read_file(folder / "old.json"));
  // Twice: everything takes a thousand times as long as now, then a thousandth.
  for (const double factor : {1e3, 1e-3}) {
    auto changed = old;
    for (auto& row : changed["results"]) {
      for (const char* key : {"median", "lower_quartile", "upper_quartile"}) {
        row["seconds"][key] = row["seconds"][key].get<double>() * factor;
      }
    }
    write_file_atomic(folder / "changed.json", changed.dump());
    const auto result = ingot(with(op, {"--against", "changed.json"}));
    EXPECT_EQ(result.exit_code, factor < 1 ? 1 : 0) << result.err;
    EXPECT_NE(result.out.find(factor < 1 ? "SLOWER" : "faster"), std::string::npos) << result.out;
    EXPECT_NE(result.out.find("x rms_norm"), std::string::npos) << result.out;
  }
  old["machine"]["cpu"] = "Another CPU";
  write_file_atomic(folder / "other.json", old.dump());
  const auto refused = ingot(with(op, {"--against", "other.json"}));
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_NE(refused.err.find("cpu was \"Another CPU\""), std::string::npos) << refused.err;
  EXPECT_EQ(refused.out, "");
}

TEST_F(Bench, StepsSayWhereTheirTimeGoes) {
  const auto result = ingot({"bench", "step", tiny(), "--steps", "3", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto report = json::parse(result.out);
  EXPECT_EQ(report["bench"], "step");
  EXPECT_EQ(report["settings"]["tokens_per_step"], 128);
  const auto& step = report["results"][0];
  EXPECT_EQ(step["seconds"]["runs"], 3);
  EXPECT_NEAR(step["tokens_per_second"]["median"].get<double>() * step["seconds"]["median"].get<double>(), 128, 1e-6);
  for (const char* key : {"mfu", "seconds_at_peak", "peak_resident_bytes"}) EXPECT_GT(step[key].get<double>(), 0);
  EXPECT_GE(step["minor_faults"].get<double>(), 0);
  double shares = 0;
  std::set<std::string> places;
  for (const auto& row : report["operators"]) {
    shares += row["share"].get<double>();
    places.insert(row["operator"].get<std::string>());
  }
  EXPECT_NEAR(shares, 1, 1e-9);
  EXPECT_EQ(places, (std::set<std::string>{"A", "D", "F", "M", "embedding", "head", "update"}));
  shares = 0;
  json linear;
  for (const auto& row : report["operations"]) {
    shares += row["share"].get<double>();
    if (row["operation"] == "linear" && row["operator"] == "F") linear = row;
  }
  EXPECT_NEAR(shares, 1, 1e-9);
  ASSERT_FALSE(linear.is_null()) << report["operations"];
  EXPECT_GT(linear["forward_seconds"].get<double>(), 0);
  EXPECT_GT(linear["backward_seconds"].get<double>(), 0);
  // Four sub-layers of two products; rows and, but for the last, which nothing reads, the prefix; two micro-batches.
  EXPECT_EQ(linear["calls"].get<double>(), 2 * 2 * (8 + 6));
  const auto trace = folder / "trace.json";
  const auto text =
      ingot({"bench", "step", tiny(), "--steps", "1", "--warm-up", "0", "--profiled", "1", "--trace", trace.string()});
  EXPECT_NE(text.out.find("tokens/s"), std::string::npos) << text.err;
  EXPECT_FALSE(json::parse(read_file(trace))["traceEvents"].empty());
  EXPECT_EQ(ingot({"bench", "step", tiny(), "--trace", (folder / "nowhere" / "t.json").string()}).exit_code, 2);
}

TEST_F(Bench, DecodingGivesOneRowForEachContext) {
  const auto result =
      ingot({"bench", "decode", tiny(), "--context", "8,40", "--tokens", "8", "--batch", "2", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto report = json::parse(result.out);
  ASSERT_EQ(report["results"].size(), 2u);
  EXPECT_EQ(report["results"][0]["name"], "context 8");
  EXPECT_EQ(report["results"][1]["context"], 40);
  for (const auto& row : report["results"]) {
    EXPECT_EQ(row["seconds"]["runs"], 8);
    EXPECT_NEAR(row["tokens_per_second"].get<double>() * row["seconds"]["median"].get<double>(), 2, 1e-9);
  }
  // Attention's keys and values grow with the context, recurrent states do not.
  EXPECT_GT(report["results"][1]["state_bytes_per_row"], report["results"][0]["state_bytes_per_row"]);
  EXPECT_EQ(ingot({"bench", "decode", "nowhere.yaml"}).exit_code, 2);
  // Nothing of training is timed, whatever the config wants there.
  EXPECT_EQ(ingot({"bench", "decode", tiny(), "train.micro_batch=auto", "--context", "8", "--tokens", "4"}).exit_code,
            0);
}

}  // namespace
}  // namespace ingot
