#include "device/simd.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace ingot::simd {
namespace {

Level level_of_cpu() {
#ifdef INGOT_SIMD_LEVELS
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                  __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512cd");
  return v4 ? Level::kV4 : v3 ? Level::kV3 : Level::kBaseline;
#else
  return Level::kBaseline;
#endif
}

Level level_asked_for() {
  const char* const text = std::getenv("ATEN_CPU_CAPABILITY");
  const std::string_view name = text != nullptr ? text : "";
  return name == "default" ? Level::kBaseline : name == "avx2" ? Level::kV3 : Level::kV4;
}

}  // namespace

Level level() {
  static const Level chosen = std::min(level_of_cpu(), level_asked_for());
  return chosen;
}

}  // namespace ingot::simd
