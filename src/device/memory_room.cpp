#include "device/memory_room.h"

#include <sys/resource.h>

#include <algorithm>

#include "base/control_group.h"
#include "base/error.h"
#include "base/text.h"
#include "device/kernel_files.h"
#include "device/tensor_memory.h"

namespace ingot {
namespace {

std::string bytes_text(std::int64_t bytes) { return format_bytes(static_cast<double>(bytes)); }

/// Takes a limit into account if it leaves less than the others.
void tighten(MemoryRoom& room, std::int64_t left, const std::string& limit) {
  if (left < room.bytes) room = {std::max<std::int64_t>(left, 0), limit};
}

/// The limits that a shell's `ulimit` sets.
void tighten_by_process_limits(MemoryRoom& room) {
  const auto look = [&room](auto resource, const char* taken_by, std::int64_t unused, const std::string& name) {
    rlimit limit{};
    if (::getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
    const auto bytes = static_cast<std::int64_t>(limit.rlim_cur);
    const std::int64_t left = bytes - kernel_bytes("/proc/self/status", taken_by) + unused;
    tighten(room, left, cat("the limit of ", name, ", ", bytes_text(bytes), ","));
  };
  // The addresses reserved for tensors are taken, but free; without memory behind them they are no data.
  look(RLIMIT_AS, "VmSize:", tensor_memory(c10::kCPU).reserved, "address space (ulimit -v)");
  look(RLIMIT_DATA, "VmData:", 0, "data (ulimit -d)");
}

}  // namespace

MemoryRoom memory_room() {
  MemoryRoom room{kernel_bytes("/proc/meminfo", "MemAvailable:"),
                  cat("this machine's memory, ", bytes_text(kernel_bytes("/proc/meminfo", "MemTotal:")), ",")};
  if (const auto group = group_memory_limit()) {
    tighten(room, group->available, cat("the limit in ", group->file, ", ", bytes_text(group->bytes), ","));
  }
  tighten_by_process_limits(room);
  return room;
}

void require_memory(std::int64_t bytes, const std::string& what) {
  const MemoryRoom room = memory_room();
  if (bytes <= room.bytes) return;
  throw OutOfMemoryError(
      cat(what, " needs ", bytes_text(bytes), " more, but ", room.limit, " leaves ", bytes_text(room.bytes)));
}

}  // namespace ingot
