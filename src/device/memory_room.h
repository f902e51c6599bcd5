#pragma once
// How much memory the process can still get, and what limits it. Where a control group is exceeded, the kernel kills
// without a word, so that what needs much asks before.

#include <cstdint>
#include <string>

namespace ingot {

struct MemoryRoom {
  std::int64_t bytes = 0;
  std::string limit;  // which of the machine, control groups and ulimits leaves least, as a user may read it
};
MemoryRoom memory_room();

/// Throws OutOfMemoryError that names the limit if `what` cannot have so many bytes more.
void require_memory(std::int64_t bytes, const std::string& what);

}  // namespace ingot
