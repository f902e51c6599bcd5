#include "base/own_folder.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "support/temp_dir.h"

namespace ingot {
namespace {

using testing::has;
using testing::message_of;
using testing::TempDir;
using testing::write_raw;

std::string refusal(const fs::path& folder, FolderKind kind = FolderKind::kRun) {
  return message_of<ConfigError>([&] { FolderClaim(folder, kind, "run.dir"); });
}

void write_in(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  write_raw(file, text);
}

TEST(OwnFolder, IsNewOrEmptyAndThenOurs) {
  const TempDir folder;
  fs::create_directories(folder / "empty");
  write_in(folder / "hidden/.gitkeep", "");
  for (const char* name : {"a/b", "empty", "hidden"}) {
    EXPECT_FALSE(folder_kind(folder / name)) << name;
    const FolderClaim claim(folder / name, FolderKind::kRun, "run.dir");
    EXPECT_EQ(folder_kind(folder / name), FolderKind::kRun) << name;
    write_raw(folder.path() / name / "log.txt", "");
    const FolderClaim again(folder / name, FolderKind::kRun, "run.dir");
  }
  EXPECT_EQ(folder_kind(folder / "a/b"), FolderKind::kRun) << "something is in it, so the marker stays";
}

TEST(OwnFolder, AClaimThatCameToNothingLeavesNothing) {
  const TempDir folder;
  fs::create_directories(folder / "there");
  { const FolderClaim claim(folder / "new", FolderKind::kCache, "data.cache"); }
  { const FolderClaim claim(folder / "there", FolderKind::kCache, "data.cache"); }
  EXPECT_FALSE(fs::exists(folder / "new"));
  EXPECT_TRUE(fs::is_empty(folder / "there"));
}

TEST(OwnFolder, WhatIsInTheWayIsNamed) {
  const TempDir folder;
  write_in(folder / "exp/metrics.jsonl", "{\"epoch\": 3}\n");
  write_in(folder / "exp/config.yaml", "a: 1\n");
  EXPECT_TRUE(has(refusal(folder / "exp"), "run.dir: '" + (folder / "exp/config.yaml").string() + "' is in the way",
                  "no run directory", "new or empty"));
  EXPECT_FALSE(fs::exists(folder / "exp/.ingot"));
  write_raw(folder / "file", "");
  EXPECT_TRUE(has(refusal(folder / "file"), "run.dir: cannot create"));
  write_in(folder / "logs/log.txt", "what another program said\n");
  EXPECT_TRUE(has(refusal(folder / "logs"), "log.txt"));
}

TEST(OwnFolder, HasOneUse) {
  const TempDir folder;
  write_raw(folder / "x", "");
  fs::remove(folder / "x");
  const FolderClaim claim(folder.path(), FolderKind::kShards, "--out");
  EXPECT_TRUE(has(refusal(folder.path()), "is a folder of token shards, no run directory"));
  EXPECT_TRUE(has(refusal(folder.path(), FolderKind::kCache), "no cache of prepared data"));
}

/// As versions without a marker left them.
TEST(OwnFolder, OlderOnesAreKnownByTheirContents) {
  const char* const kTokens = "{\n \"format\": \"ingot token data\",\n \"version\": 1\n}\n";
  const TempDir folder;
  write_in(folder / "attempt/attempts/0001.json", R"({"attempt": 1, "command": ["x"], "version": {"ingot": "0.1"}})");
  write_in(folder / "status/status.json", R"({"state": "failed", "exit_code": 3, "retry": false})");
  write_in(folder / "lock/run.lock", R"({"host": "a", "pid_namespace": "p", "nonce": "n"})");
  write_in(folder / "saved/checkpoints/step-00000001/manifest.json", R"({"format": "ingot checkpoint"})");
  for (const char* name : {"attempt", "status", "lock", "saved"}) {
    EXPECT_EQ(folder_kind(folder / name), FolderKind::kRun) << name;
  }
  write_in(folder / "shards/manifest.json", kTokens);
  write_in(folder / "part/part-00000-of-00002.json", kTokens);
  write_in(folder / "unfinished/.partial-00000-of-00002/journal", "0011223344556677 {\"settings\":\"x\"}\n");
  for (const char* name : {"shards", "part", "unfinished"}) {
    EXPECT_EQ(folder_kind(folder / name), FolderKind::kShards) << name;
  }
  write_in(folder / "cache/.lock", "");
  write_in(folder / "cache/train-0011223344556677/manifest.json", kTokens);
  EXPECT_EQ(folder_kind(folder / "cache"), FolderKind::kCache);
  fs::remove(folder / "cache/.lock");
  EXPECT_FALSE(folder_kind(folder / "cache")) << "a folder of a user that holds shards";

  write_in(folder / "early/log.txt", "2026-01-31 12:00:00.123 error: no text\n");
  write_in(folder / "early/logs/rank-00001.log", "");
  EXPECT_FALSE(folder_kind(folder / "early")) << "text may look like this";
  EXPECT_EQ(refusal(folder / "early"), "") << "but it is in nobody's way";

  write_in(folder / "rank/tokenizer.model", "x");
  write_in(folder / "rank/samples/rank-00008.jsonl", "");
  EXPECT_TRUE(has(refusal(folder / "rank"), "samples' is in the way"));
  write_in(folder / "rank/data/.lock", "");
  write_in(folder / "rank/data/train-0011223344556677/manifest.json", kTokens);
  EXPECT_EQ(refusal(folder / "rank"), "") << "of a machine with a disk of its own";
}

TEST(OwnFolder, OthersFilesOfTheSameNamesAreNoSign) {
  const TempDir folder;
  write_in(folder / "a/status.json", R"({"state": "ok"})");
  write_in(folder / "a/manifest.json", R"({"files": []})");
  write_in(folder / "a/checkpoints/step-00000001/manifest.json", "{}");
  write_in(folder / "a/attempts/0001.json", "{}");
  EXPECT_FALSE(folder_kind(folder / "a"));
  write_in(folder / "b/.ingot", "the settings of another tool\n");
  EXPECT_FALSE(folder_kind(folder / "b"));
}

TEST(OwnFolder, ThisProcessesOwnOutputIsInNobodysWay) {
  const TempDir folder;
  const int saved = ::dup(STDOUT_FILENO);
  const int file = ::open((folder / "out.txt").c_str(), O_WRONLY | O_CREAT, 0600);
  std::fflush(stdout);
  ::dup2(file, STDOUT_FILENO);
  const bool is_own = is_own_output(folder / "out.txt");
  const std::string message = refusal(folder.path());
  ::dup2(saved, STDOUT_FILENO);
  ::close(saved);
  ::close(file);
  EXPECT_TRUE(is_own);
  EXPECT_EQ(message, "");
  EXPECT_FALSE(is_own_output(folder / "out.txt"));
}

}  // namespace
}  // namespace ingot
