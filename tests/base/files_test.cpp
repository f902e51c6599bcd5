#include "base/files.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "base/reading.h"

namespace ingot {
namespace {

class FilesTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("ingot_files_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

std::string message_of(const std::function<void()>& action, ExitCode code) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

TEST_F(FilesTest, AtomicWriteReplacesWholeAndLeavesNothingBehind) {
  const fs::path path = folder_ / "a.json";
  write_file_atomic(path, "one");
  const std::string binary("two\0\n", 5);
  write_file_atomic(path, binary);
  EXPECT_EQ(read_file(path), binary);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

TEST_F(FilesTest, FailedAtomicWriteKeepsTheOldFile) {
  const fs::path path = folder_ / "folder";
  fs::create_directories(path / "inside");
  const std::string text =
      message_of([&] { write_file_atomic(path, "x", ExitCode::kCheckpoint); }, ExitCode::kCheckpoint);
  EXPECT_NE(text.find(path.string()), std::string::npos);
  EXPECT_TRUE(fs::exists(path / "inside"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

TEST_F(FilesTest, MissingFileNamesPathAndReason) {
  const std::string text = message_of([&] { read_file(folder_ / "none.txt", ExitCode::kData); }, ExitCode::kData);
  EXPECT_NE(text.find("none.txt': No such file or directory"), std::string::npos) << text;
  EXPECT_NE(message_of([&] { read_file(folder_); }, ExitCode::kOther).find("Is a directory"), std::string::npos);
  EXPECT_GT(read_file("/proc/self/status").size(), 100u);  // states a size of 0
}

TEST_F(FilesTest, WhatIsNoFileIsRefusedAtOnce) {
  const fs::path pipe = folder_ / "manifest.json";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const auto open = [](const fs::path& path) { ::close(open_regular(path, ExitCode::kData)); };
  const auto read = [](const fs::path& path) { read_file(path, ExitCode::kData); };
  for (const std::function<void(const fs::path&)>& use : {std::function<void(const fs::path&)>(open), {read}}) {
    EXPECT_NE(message_of([&] { use(pipe); }, ExitCode::kData).find("manifest.json': it is a pipe"), std::string::npos);
    EXPECT_NE(message_of([&] { use("/dev/zero"); }, ExitCode::kData).find("it is a device"), std::string::npos);
  }
  // A config may come out of a command.
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ASSERT_EQ(::write(ends[1], "text", 4), 4);
  ::close(ends[1]);
  const fs::path substituted = "/proc/self/fd/" + std::to_string(ends[0]);
  EXPECT_EQ(read_file(substituted, ExitCode::kConfig, ReadRule{.pipes = true}), "text");
  EXPECT_NE(message_of([&] { read_file(substituted); }, ExitCode::kOther).find("it is a pipe"), std::string::npos);
  ::close(ends[0]);
}

TEST_F(FilesTest, LargerFilesThanExpectedAreNotRead) {
  const fs::path path = folder_ / "huge.json";
  write_file_atomic(path, "12345");
  EXPECT_EQ(read_file(path, ExitCode::kData, ReadRule{5}), "12345");
  EXPECT_NE(message_of([&] { read_file(path, ExitCode::kData, ReadRule{4}); }, ExitCode::kData).find("larger than 4 B"),
            std::string::npos);
  // States no size, so that the end shows it.
  EXPECT_NE(
      message_of([] { read_file("/proc/self/status", ExitCode::kData, ReadRule{9}); }, ExitCode::kData).find("larger"),
      std::string::npos);
  fs::resize_file(path, std::uintmax_t{1} << 42);  // takes no space
  EXPECT_NE(message_of([&] { read_file(path); }, ExitCode::kOther).find("larger than 4.0 GiB"), std::string::npos);
}

TEST_F(FilesTest, FullDiskIsAnErrorOfTheCaller) {
  const auto fill = [](std::size_t size) {
    FileWriter file("/dev/full", ExitCode::kCheckpoint, FileWriter::Mode::kAppend);
    file.write(std::string(size, 'x'));
    file.finish();
  };
  // A small write is buffered and fails in finish, a large one at once.
  for (std::size_t size : {std::size_t{10}, std::size_t{1} << 20}) {
    const std::string text = message_of([&] { fill(size); }, ExitCode::kCheckpoint);
    EXPECT_NE(text.find("/dev/full': No space left on device"), std::string::npos) << text;
  }
}

TEST_F(FilesTest, FullFileSystemKeepsTheOldFile) {
  const fs::path disk = folder_ / "disk";
  fs::create_directories(disk);
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=128k") != 0) GTEST_SKIP() << "mounting a tmpfs needs root";
  write_file_atomic(disk / "state", "old");
  EXPECT_LE(free_space(disk), 128 * 1024);
  const std::string text = message_of(
      [&] { write_file_atomic(disk / "state", std::string(1 << 20, 'x'), ExitCode::kData); }, ExitCode::kData);
  EXPECT_NE(text.find("No space left on device"), std::string::npos) << text;
  EXPECT_EQ(read_file(disk / "state"), "old");
  EXPECT_EQ(std::distance(fs::directory_iterator(disk), {}), 1);
  ::umount(disk.c_str());
}

TEST_F(FilesTest, WriterCountsAppendsAndCloses) {
  const fs::path path = folder_ / "log";
  {
    FileWriter file(path, ExitCode::kOther);
    file.write("abc");
    EXPECT_EQ(file.position(), 3);
    EXPECT_EQ(fs::file_size(path), 0u);
    file.flush();
    EXPECT_EQ(fs::file_size(path), 3u);
    const std::string large(1 << 20, 'y');
    file.write("z");
    file.write(large);
    EXPECT_EQ(file.position(), 4 + (1 << 20));
    file.finish();
  }
  EXPECT_EQ(read_file(path).substr(0, 6), "abczyy");
  FileWriter more(path, ExitCode::kOther, FileWriter::Mode::kAppend);
  EXPECT_EQ(more.position(), 4 + (1 << 20));
  more.write("end");
  more.finish();
  EXPECT_EQ(read_file(path).substr(4 + (1 << 20)), "end");
}

TEST_F(FilesTest, RenamesFoldersDurably) {
  fs::create_directories(folder_ / ".tmp-a");
  write_file_atomic(folder_ / ".tmp-a" / "x", "1");
  rename_durably(folder_ / ".tmp-a", folder_ / "a");
  EXPECT_EQ(read_file(folder_ / "a" / "x"), "1");
  fs::create_directories(folder_ / "b");
  write_file_atomic(folder_ / "b" / "y", "2");
  EXPECT_THROW(rename_durably(folder_ / "b", folder_ / "a"), Error);
}

TEST_F(FilesTest, KnowsSpaceAndItself) {
  EXPECT_GT(free_space(folder_ / "not" / "yet" / "there"), 0);
  EXPECT_TRUE(fs::exists(executable_path()));
}

}  // namespace
}  // namespace ingot
