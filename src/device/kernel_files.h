#pragma once
// Small files in which the kernel tells of memory.

#include <cstdint>
#include <string>

namespace ingot {

/// A number of KiB behind `key`, such as "VmRSS:" of /proc/self/status, in bytes; 0 if there is none.
std::int64_t kernel_bytes(const std::string& path, const std::string& key);

}  // namespace ingot
