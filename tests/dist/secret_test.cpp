#include "dist/secret.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <optional>
#include <thread>

#include "support/temp_dir.h"

namespace ingot {
namespace {

class SecretFileTest : public ::testing::Test {
 protected:
  static mode_t mode_of(const fs::path& path) {
    struct stat found {};
    return ::stat(path.c_str(), &found) == 0 ? found.st_mode & 0777 : 0;
  }
  testing::TempDir folder;
  fs::path file = folder / ".meeting-secret";
};

TEST_F(SecretFileTest, IsForThisUserAndThisStartAlone) {
  std::optional<SecretFile> first;
  first.emplace(folder.path(), 0, 1);
  EXPECT_EQ(mode_of(file), 0600u);
  EXPECT_EQ(first->secret().size(), 64u);
  EXPECT_EQ(SecretFile(folder.path(), 1, 1).secret(), first->secret());
  EXPECT_TRUE(fs::exists(file));  // only rank 0 takes it away
  const auto earlier = first->secret();
  first.reset();
  EXPECT_FALSE(fs::exists(file));
  EXPECT_NE(SecretFile(folder.path(), 0, 1).secret(), earlier);
}

TEST_F(SecretFileTest, TheOthersWaitForRank0) {
  std::string heard;
  std::thread other([&] { heard = SecretFile(folder.path(), 1, 5).secret(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  const SecretFile first(folder.path(), 0, 1);
  other.join();
  EXPECT_EQ(heard, first.secret());
}

TEST_F(SecretFileTest, WhatAKilledStartLeftServesAgainIfItIsWhole) {
  write_file_atomic(file, std::string(64, 'a') + "\n");
  fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(SecretFile(folder.path(), 0, 1).secret(), std::string(64, 'a'));
  write_file_atomic(file, "aaa");
  fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(SecretFile(folder.path(), 0, 1).secret().size(), 64u);
}

TEST_F(SecretFileTest, WhatOthersCouldReadOrWriteIsRefused) {
  write_file_atomic(file, std::string(64, 'a') + "\n");
  fs::permissions(file, fs::perms::owner_read | fs::perms::group_read);
  for (const int rank : {0, 1}) EXPECT_THROW(SecretFile(folder.path(), rank, 0.1), DistributedError) << rank;
  fs::remove(file);
  fs::create_symlink("elsewhere", file);
  for (const int rank : {0, 1}) EXPECT_THROW(SecretFile(folder.path(), rank, 0.1), DistributedError) << rank;
  EXPECT_TRUE(fs::is_symlink(file));
}

TEST_F(SecretFileTest, ARankThatSeesNoneSaysWhatToDo) {
  try {
    SecretFile(folder.path(), 3, 0.1);
    FAIL() << "found one";
  } catch (const DistributedError& error) {
    EXPECT_NE(std::string(error.what()).find("set INGOT_SECRET"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace ingot
