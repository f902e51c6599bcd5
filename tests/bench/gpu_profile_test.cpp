// Names of kernels. That kernels are found takes a GPU; what `--trace` writes is tested with the program.

#include "bench/gpu_profile.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

TEST(ShortKernelName, LeavesOutWhatEveryKernelHas) {
  EXPECT_EQ(short_kernel_name("void at::native::(anonymous namespace)::f<float, int>(int, float*)"), "f<float, int>");
  EXPECT_EQ(short_kernel_name("ingot::cuda::(anonymous namespace)::scan(IngotCudaSsdScan)"), "scan");
  EXPECT_EQ(short_kernel_name("nvjet_sm90_tst_256x128_NNT"), "nvjet_sm90_tst_256x128_NNT");
  EXPECT_EQ(short_kernel_name("void f<g(int)>(g(int), void (*)(int))"), "f<g(int)>");
  EXPECT_EQ(short_kernel_name(""), "");
}

TEST(ShortKernelName, HasAnEnd) {
  const std::string name = short_kernel_name(std::string(200, 'x'));
  EXPECT_EQ(name.size(), 72u);
  EXPECT_TRUE(name.ends_with("x..."));
}

}  // namespace
}  // namespace ingot
