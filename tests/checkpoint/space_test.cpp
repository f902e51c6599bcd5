// Saving when the file system gives out.
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include "checkpoint/checkpoint.h"
#include "checkpoint/sample_state.h"
#include "checkpoint/saver.h"
#include "support/file_size_limit.h"
#include "support/temp_dir.h"

namespace ingot {
namespace {

using testing::FileSizeLimit;
using testing::has;
using testing::holds_sample;
using testing::message_of;
using testing::Names;
using testing::names_in;
using testing::sample_state;
using testing::TempDir;

std::string failed_save(const fs::path& run_dir, const CheckpointState& state) {
  return message_of<CheckpointError>([&] { save_checkpoint(run_dir, state); });
}

TEST(CheckpointSpace, TooLittleIsSaidBeforeAnythingIsWritten) {
  const TempDir run;
  save_checkpoint(run.path(), sample_state(1));
  CheckpointState state = sample_state(2);
  state.model.emplace_back("huge", at::zeros({1}).expand({std::int64_t{1} << 48}));
  EXPECT_TRUE(has(failed_save(run.path(), state), "step 2", (run / "checkpoints/step-00000002").string(),
                  "1.0 PiB needed", "free"));
  EXPECT_EQ(names_in(run / "checkpoints"), Names{"step-00000001"});
  const auto early = message_of<CheckpointError>([&] { check_space(run.path(), state); });
  EXPECT_TRUE(has(early, run.path().string(), "1.0 PiB needed", "free"));
  check_space(run.path(), sample_state(2));
}

TEST(CheckpointSpace, AWriteThatFailsLeavesNothing) {
  const TempDir run;
  save_checkpoint(run.path(), sample_state(1));
  CheckpointState state = sample_state(2);
  state.optimizer.emplace_back("large", at::ones({1 << 20}));
  {
    const FileSizeLimit limit(1 << 20);
    EXPECT_TRUE(has(failed_save(run.path(), state), "step 2", "optimizer-00001.safetensors", "File too large"));
  }
  EXPECT_EQ(names_in(run / "checkpoints"), Names{"step-00000001"});
  EXPECT_TRUE(holds_sample(run / "checkpoints/step-00000001"));
}

TEST(CheckpointSpace, TheSaverReportsLaterAndCanGoOn) {
  const TempDir run;
  CheckpointSaver saver({run.path(), /*async=*/true, {}});
  CheckpointState state = sample_state(1);
  state.model.emplace_back("large", at::ones({1 << 20}));
  {
    const FileSizeLimit limit(1 << 20);
    saver.save(state);
    EXPECT_TRUE(has(message_of<CheckpointError>([&] { saver.save(sample_state(2)); }), "step 1"));
  }
  saver.save(sample_state(3));
  saver.wait();
  EXPECT_EQ(saver.last()->step, 3);
  EXPECT_EQ(list_checkpoints(run.path()).size(), 1U);
}

/// A small file system of its own.
class SmallDisk {
 public:
  SmallDisk(const fs::path& path, const std::string& options) : path_(path) {
    fs::create_directories(path_);
    mounted_ = ::mount("tmpfs", path_.c_str(), "tmpfs", 0, options.c_str()) == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  bool mounted() const { return mounted_; }

 private:
  fs::path path_;
  bool mounted_ = false;
};

TEST(CheckpointSpace, AFullDiskKeepsWhatWasThere) {
  const TempDir dir;
  const SmallDisk disk(dir / "run", "size=1m");
  if (!disk.mounted()) GTEST_SKIP() << "needs the right to mount a small file system (run as root)";
  CheckpointState state = sample_state(1);
  state.model.emplace_back("large", at::ones({100000}));  // 0.4 of the disk
  std::int64_t saved = 0;
  std::string message;
  for (; message.empty() && saved < 10; ++saved) {
    state.step = saved + 1;
    message = failed_save(dir / "run", state);
  }
  EXPECT_EQ(saved, 3);
  EXPECT_TRUE(has(message, "step 3", "not enough space", "KiB needed", "KiB free"));
  EXPECT_EQ(names_in(dir / "run/checkpoints"), (Names{"step-00000001", "step-00000002"}));
  EXPECT_EQ(find_newest_valid(dir / "run").found->step, 2);
}

TEST(CheckpointSpace, ADiskThatFillsUpMeanwhileLeavesNothing) {
  const TempDir dir;
  // Free bytes, but no free inodes: what the check beforehand cannot see.
  const SmallDisk disk(dir / "run", "size=4m,nr_inodes=12");
  if (!disk.mounted()) GTEST_SKIP() << "needs the right to mount a small file system (run as root)";
  save_checkpoint(dir / "run", sample_state(1));
  EXPECT_TRUE(has(failed_save(dir / "run", sample_state(2)), "step 2", "No space left on device"));
  EXPECT_EQ(names_in(dir / "run/checkpoints"), Names{"step-00000001"});
  EXPECT_TRUE(holds_sample(dir / "run/checkpoints/step-00000001"));
}

TEST(CheckpointSpace, AFolderThatCannotBeWrittenIsNamed) {
  EXPECT_TRUE(has(failed_save("/proc/nowhere", sample_state(1)), "/proc/nowhere/checkpoints"));
}

}  // namespace
}  // namespace ingot
