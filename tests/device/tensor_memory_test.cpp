#include "device/tensor_memory.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include <thread>

namespace ingot {
namespace {

std::int64_t allocated() { return tensor_memory(at::kCPU).allocated; }

TEST(TensorMemory, CountsLargeAndSmallTensors) {
  const std::int64_t before = allocated();
  for (const std::int64_t bytes : {1, 100, 40'000, 3'000'000}) {
    const at::Tensor x = at::empty({bytes}, at::kByte);
    EXPECT_GE(allocated() - before, bytes);
    EXPECT_LT(allocated() - before, bytes + 256);
  }
  EXPECT_EQ(allocated(), before);
}

TEST(TensorMemory, KnowsThePeak) {
  const std::int64_t before = allocated();
  reset_tensor_peak(at::kCPU);
  { const at::Tensor x = at::empty({1'000'000}, at::kByte), y = at::empty({500'000}, at::kByte); }
  const at::Tensor z = at::empty({700'000}, at::kByte);
  EXPECT_NEAR(static_cast<double>(tensor_memory(at::kCPU).peak_allocated - before), 1.5e6, 1e3);
}

TEST(TensorMemory, TakesEmptyTensorsAndOtherThreads) {
  const std::int64_t before = allocated();
  at::Tensor x;
  std::thread([&] { x = at::full({100'000}, 3.0f); }).join();
  EXPECT_EQ(at::empty({0}).numel(), 0);
  EXPECT_EQ(x.sum().item<float>(), 300'000);
  std::thread([y = std::move(x)]() mutable { y.reset(); }).join();
  EXPECT_EQ(allocated(), before);
}

TEST(TensorMemory, LargeTensorsShareOneStretchOfMemory) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer watches malloc's blocks";
#endif
  allocated();
  const at::Tensor x = at::ones({1 << 20}), y = at::ones({1 << 20});
  const auto* a = static_cast<const char*>(x.const_data_ptr());
  const auto* b = static_cast<const char*>(y.const_data_ptr());
  // malloc would put a header between them.
  EXPECT_EQ((b > a ? b - a : a - b), 4 << 20);
}

}  // namespace
}  // namespace ingot
