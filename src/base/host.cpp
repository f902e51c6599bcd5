#include "base/host.h"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <random>

#include "base/files.h"
#include "base/text.h"

namespace ingot {

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

std::string boot_id() {
  try {
    return std::string(trim(read_file("/proc/sys/kernel/random/boot_id")));
  } catch (const Error&) {
    return "";
  }
}

std::string namespace_id(const std::string& kind) {
  std::error_code ignored;
  return fs::read_symlink("/proc/self/ns/" + kind, ignored).string();
}

std::string random_hex() {
  std::random_device device;
  std::array<char, 33> text{};
  std::snprintf(text.data(), text.size(), "%08x%08x%08x%08x", device(), device(), device(), device());
  return text.data();
}

}  // namespace ingot
