#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <gtest/gtest.h>

#include "nn/norms/fixture.h"

namespace ingot::testing {
namespace {

struct Pass {
  at::Tensor y, dx, grads;
};

/// Forward and backward of many rows, which take several blocks.
Pass pass(const std::string& yaml, const at::Tensor& x, const at::Tensor& dy,
          std::optional<at::ScalarType> out_type = std::nullopt) {
  const NormFixture f(yaml, x.scalar_type());
  const at::Tensor leaf = x.clone().requires_grad_(true);
  const at::Tensor y = f.norm->forward(leaf, {{}, nullptr, out_type});
  (y * dy).sum().backward();
  return {y.detach(), leaf.grad(), f.harness->grads()};
}

constexpr std::int64_t kRows = 5000;  // 32 wide: a block has 1024 of them, the last one fewer
const std::vector<std::string> kNorms = {"ada_rms_norm", "{type: derf, bias: true}", "scale_norm", "crms_norm"};

TEST(ClosedFormNorms, BlocksOfRowsChangeNothing) {
  const at::Tensor x = random_normal({kRows, kModel}, 1), dy = random_normal({kRows, kModel}, 2);
  for (const std::string& yaml : kNorms) {
    const Pass whole = pass(yaml, x, dy);
    std::vector<at::Tensor> y, dx;
    at::Tensor grads;
    for (std::int64_t first = 0; first < kRows; first += 100) {
      const Pass part = pass(yaml, x.narrow(0, first, 100), dy.narrow(0, first, 100));
      y.push_back(part.y), dx.push_back(part.dx);
      if (part.grads.defined()) grads = grads.defined() ? grads + part.grads : part.grads;
    }
    EXPECT_TRUE(close(whole.y, at::cat(y), row_tolerance())) << yaml;
    EXPECT_TRUE(close(whole.dx, at::cat(dx), row_tolerance())) << yaml;
    if (grads.defined()) {
      EXPECT_TRUE(close(whole.grads, grads, Tolerance::of(at::kDouble).reduction(kRows))) << yaml;
    }
  }
}

TEST(ClosedFormNorms, ThreadsChangeNoBits) {
  const at::Tensor x = random_normal({kRows, kModel}, 1, at::kFloat),
                   dy = random_normal({kRows, kModel}, 2, at::kFloat);
  const int threads = at::get_num_threads();
  for (const std::string& yaml : kNorms) {
    at::set_num_threads(1);
    const Pass one = pass(yaml, x, dy);
    at::set_num_threads(2);
    const Pass two = pass(yaml, x, dy);
    EXPECT_TRUE(same_bits(two.y, one.y)) << yaml;
    EXPECT_TRUE(same_bits(two.dx, one.dx)) << yaml;
    if (one.grads.defined()) {
      EXPECT_TRUE(same_bits(two.grads, one.grads)) << yaml;
    }
  }
  at::set_num_threads(threads);
}

/// Norms with a kernel, which fp64 rows that are written as fp32 have not.
TEST(ClosedFormNorms, AgreeWithKernels) {
  const at::Tensor x = random_normal({100, kModel}, 1), dy = random_normal({100, kModel}, 2).to(at::kFloat);
  for (const std::string yaml :
       {"dyt", "{type: dyt, bias: true, alpha: 0.5}", "seed_norm", "{type: seed_norm, groups: 4, eps: 0.1}"}) {
    const Pass kernel = pass(yaml, x, dy.to(at::kDouble)), plain = pass(yaml, x, dy, at::kFloat);
    EXPECT_TRUE(close(plain.y, kernel.y, Tolerance::of(at::kFloat))) << yaml;
    EXPECT_TRUE(close(plain.dx, kernel.dx, row_tolerance())) << yaml;
    Tolerance of_sums = Tolerance::of(at::kFloat).reduction(100 * kModel);  // a bias sums dy in dy's type
    of_sums.dtype = at::kDouble;
    EXPECT_TRUE(close(plain.grads, kernel.grads, of_sums)) << yaml;
  }
}

TEST(ClosedFormNorms, TakeNoRows) {
  const at::Tensor x = random_normal({0, 3, kModel}, 1);
  for (const std::string& yaml : kNorms) EXPECT_EQ(pass(yaml, x, x).dx.numel(), 0) << yaml;
}

}  // namespace
}  // namespace ingot::testing
