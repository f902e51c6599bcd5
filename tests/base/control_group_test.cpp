#include "base/control_group.h"

#include <gtest/gtest.h>

#include "support/temp_dir.h"

namespace ingot {
namespace {

using testing::TempDir;
using testing::write_raw;

constexpr const char* kMounts2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
constexpr const char* kMounts1 =
    "23 1 0:20 / /proc rw - proc proc rw\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

class ControlGroups : public ::testing::Test {
 protected:
  const fs::path& path() const { return dir_.path(); }
  void put(const std::string& file, const std::string& text) {
    const fs::path at = dir_ / file;
    fs::create_directories(at.parent_path());
    write_raw(at, text);
  }
  /// A group of version 2.
  void group(const std::string& name, const std::string& max, const std::string& used) {
    put("sys/fs/cgroup" + name + "/memory.max", max + "\n");
    put("sys/fs/cgroup" + name + "/memory.current", used + "\n");
  }

 private:
  TempDir dir_;
};

TEST_F(ControlGroups, WithoutThemNothingIsLimited) {
  EXPECT_FALSE(group_memory_limit(path()));
  EXPECT_FALSE(group_cpu_limit(path()));
  put("proc/self/mountinfo", kMounts2);
  put("proc/self/cgroup", "0::/\n");
  EXPECT_FALSE(group_memory_limit(path()));  // the root of version 2 has no such files
}

TEST_F(ControlGroups, TheTightestOfAllAboveCounts) {
  put("proc/self/mountinfo", kMounts2);
  put("proc/self/cgroup", "0::/jobs/17/step\n");
  group("/jobs/17/step", "max", "1000");
  group("/jobs/17", "500000", "100000");
  group("/jobs", "900000", "800000");
  group("/others", "1", "1");
  const auto limit = group_memory_limit(path());
  ASSERT_TRUE(limit);
  EXPECT_EQ(limit->bytes, 900000);
  EXPECT_EQ(limit->available, 100000);
  EXPECT_EQ(limit->file, "/sys/fs/cgroup/jobs/memory.max");
  // The cache of files is taken back when memory gets short.
  put("sys/fs/cgroup/jobs/memory.stat", "anon 5\ninactive_file_x 9\ninactive_file 700000\n");
  EXPECT_EQ(group_memory_limit(path())->available, 400000);
  EXPECT_EQ(group_memory_limit(path())->file, "/sys/fs/cgroup/jobs/17/memory.max");
  put("sys/fs/cgroup/jobs/17/step/memory.high", "2000\n");
  EXPECT_EQ(group_memory_limit(path())->available, 1000);
}

TEST_F(ControlGroups, OfVersion1) {
  put("proc/self/mountinfo", kMounts1);
  put("proc/self/cgroup", "4:memory:/job:1/step\n2:cpu,cpuacct:/job:1\n0::/\n");
  put("sys/fs/cgroup/memory/job:1/step/memory.limit_in_bytes", "300000\n");
  put("sys/fs/cgroup/memory/job:1/step/memory.usage_in_bytes", "200000\n");
  put("sys/fs/cgroup/memory/job:1/step/memory.stat", "inactive_file 0\ntotal_inactive_file 50000\n");
  put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  put("sys/fs/cgroup/memory/memory.usage_in_bytes", "200000\n");
  put("sys/fs/cgroup/cpu,cpuacct/job:1/cpu.cfs_quota_us", "150000\n");
  put("sys/fs/cgroup/cpu,cpuacct/job:1/cpu.cfs_period_us", "100000\n");
  put("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  put("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  const auto limit = group_memory_limit(path());
  ASSERT_TRUE(limit);
  EXPECT_EQ(limit->bytes, 300000);
  EXPECT_EQ(limit->available, 150000);
  EXPECT_DOUBLE_EQ(group_cpu_limit(path()).value_or(0), 1.5);
}

TEST_F(ControlGroups, InAContainerThatShowsTheHostsPath) {
  put("proc/self/mountinfo", "35 31 0:32 /docker/abc /sys/fs/cgroup ro master:9 - cgroup2 cgroup2 rw\n");
  put("proc/self/cgroup", "0::/docker/abc/inner\n");
  group("", "70000", "10000");
  group("/inner", "max", "10000");
  EXPECT_EQ(group_memory_limit(path())->file, "/sys/fs/cgroup/memory.max");
  put("proc/self/cgroup", "0::/elsewhere\n");
  EXPECT_EQ(group_memory_limit(path())->available, 60000);
}

TEST_F(ControlGroups, QuotasOfCpus) {
  put("proc/self/mountinfo", kMounts2);
  put("proc/self/cgroup", "0::/a/b\n");
  put("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  EXPECT_FALSE(group_cpu_limit(path()));
  put("sys/fs/cgroup/a/cpu.max", "250000 100000\n");
  EXPECT_DOUBLE_EQ(group_cpu_limit(path()).value_or(0), 2.5);
}

TEST_F(ControlGroups, NonsenseIsNoLimit) {
  put("proc/self/mountinfo", std::string(kMounts2) + "x\n - \n1 2 3 - cgroup2\n");
  put("proc/self/cgroup", "0::/a\n:::\n\n");
  group("/a", "12x", "x");
  put("sys/fs/cgroup/a/cpu.max", "1 0\n");
  EXPECT_FALSE(group_memory_limit(path()));
  EXPECT_FALSE(group_cpu_limit(path()));
}

TEST(ControlGroup, OfThisProcessCanBeRead) {
  const auto limit = group_memory_limit();
  EXPECT_TRUE(!limit || limit->available <= limit->bytes);
}

}  // namespace
}  // namespace ingot
