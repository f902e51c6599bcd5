#include "device/level_kernels.h"

namespace ingot::testing {

namespace {

struct Loop {
  const std::vector<float>& x;
  LoopResult& out;

  INGOT_INLINE void run() const {
    const auto n = static_cast<std::int64_t>(x.size());
    const float* const in = x.data();
    float* const y = out.y.data();
    for (std::int64_t i = 0; i < n; ++i) y[i] = simd::tanh(simd::exp(in[i]) + simd::sigmoid(in[i]));
    out.sum = simd::lane_sum<float>(n, [&](std::int64_t i) { return y[i] + in[i]; });
  }
};

}  // namespace

LoopResult run_loop(const std::vector<float>& x, simd::Level level) {
  LoopResult out{std::vector<float>(x.size())};
  const Loop loop = {x, out};
  const auto f = [&]() INGOT_INLINE_LAMBDA { loop.run(); };
#ifdef INGOT_SIMD_LEVELS
  if (level == simd::Level::kV4) {
    simd::run_v4(f);
  } else if (level == simd::Level::kV3) {
    simd::run_v3(f);
  } else {
    f();
  }
#else
  f();
#endif
  return out;
}

LoopResult run_loop(const std::vector<float>& x) {
  LoopResult out{std::vector<float>(x.size())};
  const Loop loop = {x, out};
  simd::at_level([&]() INGOT_INLINE_LAMBDA { loop.run(); });
  return out;
}

}  // namespace ingot::testing
