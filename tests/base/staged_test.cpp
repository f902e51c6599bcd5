#include "base/staged.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/temp_dir.h"

namespace ingot {
namespace {

using testing::has;
using testing::message_of;
using testing::TempDir;
using testing::write_raw;

std::size_t count_in(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), {}));
}

TEST(Staged, AppearsWhenItIsWholeAndLeavesNothingElse) {
  const TempDir folder;
  fs::path first;
  {
    Staged staged(folder / "out.txt", ExitCode::kOther);
    first = staged.path();
    EXPECT_TRUE(first.filename().string().starts_with(".")) << "walks over folders pass it by";
    EXPECT_EQ(shown_path(first), folder / "out.txt");
    write_raw(first, "half");
  }
  EXPECT_EQ(count_in(folder.path()), 0u);
  Staged staged(folder / "out.txt", ExitCode::kOther);
  EXPECT_NE(staged.path(), first);
  write_raw(staged.path(), "whole");
  staged.commit();
  EXPECT_EQ(read_file(folder / "out.txt"), "whole");
  EXPECT_EQ(count_in(folder.path()), 1u);
}

TEST(Staged, ReplacesFilesAlone) {
  const TempDir folder;
  fs::create_directory(folder / "folder");
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  fs::create_symlink("pipe", folder / "link");
  EXPECT_TRUE(has(message_of<Error>([&] { Staged(folder / "folder", ExitCode::kConfig); }), "is a folder"));
  for (const char* name : {"pipe", "link"}) {
    EXPECT_TRUE(has(message_of<Error>([&] { write_file_atomic(folder / name, "x"); }), name, "no regular file"))
        << name;
  }
  EXPECT_EQ(count_in(folder.path()), 3u);
}

/// In a folder that others write to, links lie in wait under names that can be guessed.
TEST(Staged, AFileMadeAnewIsNobodyElsesBehindALink) {
  const TempDir folder;
  write_raw(folder / "precious", "theirs");
  fs::create_symlink("precious", folder / "soft");
  fs::create_hard_link(folder / "precious", folder / "hard");
  for (const char* name : {"soft", "hard"}) {
    FileWriter file(folder / name, ExitCode::kOther);
    file.write("ours");
    file.finish();
    EXPECT_EQ(read_file(folder / "precious"), "theirs") << name;
    EXPECT_EQ(read_file(folder / name), "ours");
    EXPECT_FALSE(fs::is_symlink(folder / name));
  }
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  const int reader = ::open((folder / "pipe").c_str(), O_RDONLY | O_NONBLOCK);
  FileWriter(folder / "pipe", ExitCode::kOther).finish();
  ::close(reader);
  EXPECT_TRUE(fs::is_fifo(folder / "pipe")) << "what is no file stays what it is";
  fs::create_symlink("precious", folder / "grows");
  EXPECT_THROW(FileWriter(folder / "grows", ExitCode::kOther, FileWriter::Mode::kAppend), Error);
}

TEST(StagedFolder, AppearsWithAllThatItHolds) {
  const TempDir folder;
  const fs::path target = folder / "runs/new";
  {
    const StagedFolder given_up(target, ExitCode::kCheckpoint);
    write_raw(given_up.path() / "part", "x");
    EXPECT_FALSE(fs::exists(target));
  }
  EXPECT_EQ(count_in(folder / "runs"), 0u);
  fs::create_directory(target);  // an empty one is taken
  StagedFolder staged(target.string() + "/", ExitCode::kCheckpoint);
  write_raw(staged.path() / "part", "x");
  staged.commit();
  EXPECT_EQ(read_file(target / "part"), "x");
  EXPECT_EQ(count_in(folder / "runs"), 1u);
}

TEST(StagedFolder, TakesAwayWhatAKilledProcessLeftAndNothingInUse) {
  const TempDir folder;
  fs::create_directories(folder / ".new.tmp-0123/checkpoints");
  fs::create_directories(folder / ".newer.tmp-0123");
  const StagedFolder one(folder / "new", ExitCode::kCheckpoint);
  const StagedFolder two(folder / "new", ExitCode::kCheckpoint);
  EXPECT_FALSE(fs::exists(folder / ".new.tmp-0123"));
  EXPECT_TRUE(fs::exists(folder / ".newer.tmp-0123"));
  EXPECT_TRUE(fs::exists(one.path()));
}

TEST(RemoveAbandonedFiles, KnowsItsOwnAndNoOthers) {
  const TempDir folder;
  for (const char* name : {".metrics.jsonl.tmp-00ff", "metrics.jsonl.tmp-17-3", "status.json.tmp-17", "metrics.jsonl",
                           "notes.txt.tmp-17-3", "metrics.jsonl.tmp-mine"}) {
    write_raw(folder / name, "x");
  }
  fs::create_directory(folder / "status.json.tmp-18");
  const auto is_ours = [](const std::string& name) { return name == "metrics.jsonl" || name == "status.json"; };
  remove_abandoned_files(folder.path(), is_ours);
  for (const char* name : {"metrics.jsonl", "notes.txt.tmp-17-3", "metrics.jsonl.tmp-mine", "status.json.tmp-18"}) {
    EXPECT_TRUE(fs::exists(folder / name)) << name;
  }
  EXPECT_EQ(count_in(folder.path()), 4u);
}

}  // namespace
}  // namespace ingot
