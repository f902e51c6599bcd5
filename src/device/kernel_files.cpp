#include "device/kernel_files.h"

#include <fstream>

namespace ingot {

std::int64_t kernel_bytes(const std::string& path, const std::string& key) {
  std::ifstream in(path);
  std::string word;
  while (in >> word) {
    std::int64_t kib = 0;
    if (word == key && in >> kib) return kib * 1024;
  }
  return 0;
}

}  // namespace ingot
