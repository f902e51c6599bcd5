#pragma once
// What this program was built from and with. Linked by `train` and what lies above it (library
// ingot_version).

#include <string_view>

namespace ingot {

struct BuildVersion {
  std::string_view version;     // 0.1.0
  std::string_view commit;      // full hash, or "unknown" outside a git checkout
  std::string_view dirty;       // empty, or the first 12 hex digits of a hash over uncommitted sources
  std::string_view compiler;    // GNU 12.2.0
  std::string_view build_type;  // Release, Dev
  std::string_view torch;       // 2.11.0
};

const BuildVersion& build_version();

}  // namespace ingot
