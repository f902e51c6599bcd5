#include "nn/noise.h"

#include <ATen/core/TensorBody.h>
#include <ATen/ops/empty.h>

#include <functional>
#include <numeric>
#include <stdexcept>

#include "base/random.h"
#include "base/text.h"
#include "device/parallel.h"

namespace ingot {
namespace {

constexpr std::int64_t kSerialBlocks = 1 << 10;  // below, a loop stays on the calling thread

}  // namespace

at::Tensor uniform_noise(const Pass& pass, const std::string& site, const std::vector<std::int64_t>& row_shape,
                         at::Device device) {
  if (!pass.samples.defined()) throw std::logic_error(cat("noise of ", site, " in a pass that has no sample indices"));
  const std::int64_t rows = pass.samples.size(0);
  const std::int64_t width = std::accumulate(row_shape.begin(), row_shape.end(), std::int64_t{1}, std::multiplies<>());
  std::vector<std::int64_t> shape{rows};
  shape.insert(shape.end(), row_shape.begin(), row_shape.end());
  at::Tensor noise = at::empty(shape, at::kFloat);
  float* const out = noise.mutable_data_ptr<float>();
  const std::int64_t* const samples = pass.samples.const_data_ptr<std::int64_t>();
  const std::uint64_t key = stream_key(pass.point.seed, cat(site, " update ", pass.point.updates));
  // A block of Philox gives four values; its counter is (block of the row, sample).
  const std::int64_t blocks = (width + 3) / 4;
  parallel_for(0, rows * blocks, kSerialBlocks, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const auto row = i / blocks, block = i % blocks;
      const auto n = static_cast<std::uint64_t>(block), sample = static_cast<std::uint64_t>(samples[row]);
      const auto bits = philox4x32({static_cast<std::uint32_t>(n), static_cast<std::uint32_t>(n >> 32),
                                    static_cast<std::uint32_t>(sample), static_cast<std::uint32_t>(sample >> 32)},
                                   {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)});
      for (std::int64_t j = 4 * block; j < std::min(width, 4 * block + 4); ++j) {
        out[row * width + j] = static_cast<float>(bits[static_cast<std::size_t>(j % 4)] >> 8) * 0x1p-24F;
      }
    }
  });
  return noise.to(device);
}

}  // namespace ingot
