#include "run/append.h"

#include <gtest/gtest.h>

#include "support/file_size_limit.h"
#include "support/temp_dir.h"

namespace ingot {
namespace {

using testing::FileSizeLimit;
using testing::TempDir;
using testing::write_raw;

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
