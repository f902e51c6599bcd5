#include "train/run_append.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

#include "support/temp_dir.h"

namespace ingot {
namespace {

using testing::TempDir;
using testing::write_raw;

/// Files may not grow beyond `bytes` while it lives.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int);
};

TEST(AppendFile, IsVisibleAtOnceAndAppends) {
  const TempDir dir;
  write_raw(dir / "f", "old\n");
  AppendFile file(dir / "f");
  file.append("one\n");
  EXPECT_EQ(read_file(dir / "f"), "old\none\n");
  file.append("two\n");
  EXPECT_EQ(read_file(dir / "f"), "old\none\ntwo\n");
  EXPECT_EQ(file.pending(), 0U);
}

TEST(AppendFile, AFullDiskLeavesWholeRecordsAndLosesNone) {
  const TempDir dir;
  AppendFile file(dir / "f");
  file.append("0123456789\n");
  {
    const FileSizeLimit limit(15);
    file.append("abcdefghij\n");  // the first four bytes would fit
    EXPECT_EQ(read_file(dir / "f"), "0123456789\n");
    EXPECT_EQ(file.pending(), 11U);
    file.append("ABCDEFGHIJ\n");
    EXPECT_EQ(read_file(dir / "f"), "0123456789\n");
  }
  file.append("last\n");
  EXPECT_EQ(read_file(dir / "f"), "0123456789\nabcdefghij\nABCDEFGHIJ\nlast\n");
  EXPECT_EQ(file.pending(), 0U);
}

TEST(AppendFile, ClosingTriesOnceMore) {
  const TempDir dir;
  {
    AppendFile file(dir / "f");
    const FileSizeLimit limit(3);
    file.append("record\n");
    EXPECT_EQ(file.pending(), 7U);
    // `limit` goes first.
  }
  EXPECT_EQ(read_file(dir / "f"), "record\n");
}

TEST(AppendFile, WhatIsKeptInMemoryIsBounded) {
  AppendFile file("/dev/full");
  const std::string record((std::size_t{1} << 20) - 1, 'x');
  for (int i = 0; i < 20; ++i) file.append(record + "\n");
  EXPECT_EQ(file.pending(), std::size_t{16} << 20);
  file.sync();
}

TEST(AppendFile, AFolderThatCannotBeMadeIsAnError) {
  EXPECT_TRUE(testing::has(testing::message_of<Error>([] { AppendFile file("/proc/nowhere/f"); }), "/proc/nowhere/f"));
}

}  // namespace
}  // namespace ingot
