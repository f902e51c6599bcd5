#include "checkpoint/file_system.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdio>

#include "base/error.h"
#include "support/temp_dir.h"

namespace ingot {
namespace {

using testing::TempDir;

std::string refusal(const fs::path& folder, const Rename& rename) {
  try {
    probe_file_system(folder, rename);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kCheckpoint);
    return error.what();
  }
  return "";
}

TEST(FileSystemProbe, LeavesNothingBehind) {
  const TempDir folder;
  fs::create_directories(folder / ".probe/of a killed start");
  probe_file_system(folder.path());
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(FileSystemProbe, RefusesWhatDoesNotRename) {
  const TempDir folder;
  const auto no_folders = [](const char* from, const char* to) {
    if (fs::is_directory(from)) {
      errno = EXDEV;
      return -1;
    }
    return std::rename(from, to);
  };
  EXPECT_NE(refusal(folder.path(), no_folders).find("renaming a folder that holds a file fails"), std::string::npos);
  const auto no_replacing = [](const char* from, const char* to) {
    if (fs::exists(to)) {
      errno = EEXIST;
      return -1;
    }
    return std::rename(from, to);
  };
  EXPECT_NE(refusal(folder.path(), no_replacing).find("renaming a file over another fails (File exists)"),
            std::string::npos);
  const auto copies = [](const char* from, const char* to) {
    fs::copy(from, to, fs::copy_options::recursive);
    return 0;
  };
  EXPECT_NE(refusal(folder.path(), copies).find("a renamed folder did not move"), std::string::npos);
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(FileSystemProbe, NamesAFolderItCannotWrite) {
  EXPECT_NE(refusal("/proc/1", [](const char*, const char*) { return 0; }).find("/proc/1"), std::string::npos);
}

}  // namespace
}  // namespace ingot
