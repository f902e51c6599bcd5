#pragma once
// Limits of the control groups that this process is in (Linux, versions 1 and 2): of its own group and of all above it.

#include <cstdint>
#include <optional>
#include <string>

#include "base/files.h"

namespace ingot {

struct MemoryLimit {
  std::int64_t bytes = 0;
  std::int64_t available = 0;  // of these; pages of files that the kernel can take back count as free
  std::string file;            // that sets it, such as /sys/fs/cgroup/jobs/17/memory.max
};

/// Of all groups the one that leaves least; nullopt without a limit. Below `root` lie proc/self and the groups: tests
/// make their own.
std::optional<MemoryLimit> group_memory_limit(const fs::path& root = "/");

/// The number of CPUs that quotas grant, the least of all groups; nullopt without one.
std::optional<double> group_cpu_limit(const fs::path& root = "/");

}  // namespace ingot
