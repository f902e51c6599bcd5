#include "device/gpu.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

TEST(Gpu, KnowsThePeakOfUsualCards) {
  EXPECT_DOUBLE_EQ(gpu_peak_flops("NVIDIA H200"), 989e12);
  EXPECT_DOUBLE_EQ(gpu_peak_flops("NVIDIA H100 80GB HBM3"), 989e12);
  EXPECT_DOUBLE_EQ(gpu_peak_flops("NVIDIA H100 PCIe"), 756e12);
  EXPECT_DOUBLE_EQ(gpu_peak_flops("NVIDIA A100-SXM4-80GB"), 312e12);
  EXPECT_DOUBLE_EQ(gpu_peak_flops("NVIDIA GeForce RTX 4090"), 165e12);
  EXPECT_DOUBLE_EQ(gpu_peak_flops("NVIDIA L40S"), 362e12);
  EXPECT_EQ(gpu_peak_flops("some card of the future"), 0);
}

TEST(Gpu, SaysWhyThereIsNone) {
  EXPECT_FALSE(gpu_available());  // this binary never loads the plugin
  EXPECT_FALSE(gpu_unavailable_reason().empty());
  EXPECT_THROW(gpu_symbol("anything"), std::logic_error);
}

}  // namespace
}  // namespace ingot
