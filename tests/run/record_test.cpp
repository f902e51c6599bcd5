#include "run/record.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "support/temp_dir.h"

namespace ingot {
namespace {

using testing::has;
using testing::message_of;
using testing::TempDir;
using testing::write_raw;

class RunRecordTest : public ::testing::Test {
 protected:
  RunRecordTest() { log::set_terminal_level(log::Level::kNone); }
  ~RunRecordTest() override { log::set_terminal_level(log::Level::kInfo); }

  std::string text_of(const std::string& name) const { return read_file(run / name); }
  nlohmann::json status() const { return nlohmann::json::parse(text_of("r/status.json")); }
  TempDir run;
};

TEST_F(RunRecordTest, FilesOfOthersStayAsTheyAre) {
  write_raw(run / "config.yaml", "mine: 1  # notes\n");
  write_raw(run / "STOP", "");
  EXPECT_TRUE(has(message_of<ConfigError>([&] { RunRecord(run.path(), true); }), "run.dir: ", "STOP' is in the way"));
  fs::remove(run / "STOP");
  EXPECT_TRUE(has(message_of<ConfigError>([&] { RunRecord(run.path(), true); }), "config.yaml' is in the way"));
  EXPECT_EQ(text_of("config.yaml"), "mine: 1  # notes\n");
  EXPECT_EQ(std::distance(fs::directory_iterator(run.path()), {}), 1);
}

TEST_F(RunRecordTest, AStartThatFailsAtOnceLeavesNothing) {
  { const RunRecord record(run / "new", true); }
  EXPECT_FALSE(fs::exists(run / "new"));
}

TEST_F(RunRecordTest, AConfigThatWasEditedIsKept) {
  const auto start = [&](const std::string& config) {
    RunRecord record(run / "r", true);
    record.begin({"ingot"}, 0);
    record.config(config);
    record.end(ExitCode::kStopped, 1, "");
  };
  start("lr: 1\n");
  start("lr: 1\n");
  write_raw(run / "r/config.yaml", "lr: 1  # why\n");
  start("lr: 2\n");
  EXPECT_EQ(text_of("r/config.yaml"), "lr: 2\n");
  EXPECT_EQ(text_of("r/attempts/0003-config.yaml"), "lr: 1  # why\n");
  EXPECT_FALSE(fs::exists(run / "r/attempts/0002-config.yaml"));
}

TEST_F(RunRecordTest, WhatKillsLeftGoesAtTheNextStart) {
  { RunRecord(run / "r", true).begin({"ingot"}, 0); }
  for (const char* name : {"metrics.jsonl.tmp-17-3", ".tokenizer.model.tmp-00ff", "status.json.tmp-17",
                           "attempts/0001.json.tmp-17-4", "notes.tmp-1"}) {
    write_raw(run / "r" / name, "half");
  }
  RunRecord record(run / "r", true);
  record.begin({"ingot"}, 0);
  std::vector<std::string> left;
  for (const auto& entry : fs::recursive_directory_iterator(run / "r")) {
    if (entry.path().string().find(".tmp-") != std::string::npos) left.push_back(entry.path().filename().string());
  }
  EXPECT_EQ(left, std::vector<std::string>{"notes.tmp-1"});
}

TEST_F(RunRecordTest, ARunThatLostItsLockWritesNoStatus) {
  RunRecord record(run / "r", true);
  record.begin({"ingot"}, 0);
  record.status(3, {{"loss", 2.0}});
  EXPECT_EQ(status().at("step"), 3);
  // Another host took over, and its status is there now.
  auto lock = nlohmann::json::parse(text_of("r/run.lock"));
  lock["host"] = "elsewhere";
  lock["nonce"] = "of another";
  write_raw(run / "r/run.lock", lock.dump());
  write_raw(run / "r/status.json",
            R"({"state": "running", "exit_code": null, "step": 9, "reason": "", "retry": false})");
  record.status(4, {});
  EXPECT_THROW(record.summary({{"steps", 4}}), ConfigError);
  record.end(ExitCode::kConfig, 4, "lost the lock");
  EXPECT_EQ(status().at("step"), 9);
  EXPECT_EQ(status().at("state"), "running");
  EXPECT_FALSE(fs::exists(run / "r/summary.json"));
}

}  // namespace
}  // namespace ingot
