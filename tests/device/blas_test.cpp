#include "device/blas.h"

#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/error.h"
#include "device/machine.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

/// Uses a library for one test.
class WithBlas {
 public:
  explicit WithBlas(Blas wanted) { use_blas(wanted); }
  ~WithBlas() { use_blas(Blas::kLibTorch); }
};

TEST(Blas, LibTorchTakesNothingFromOpenBlas) {
  const WithBlas libtorch(Blas::kLibTorch);
  const auto x = random_normal({64, 64}, 1).to(at::kFloat);
  auto c = at::full({64, 64}, 7.0f);
  EXPECT_FALSE(openblas_matmul(c, x, x, 0));
  EXPECT_EQ(c.sum().item<float>(), 64 * 64 * 7);
  EXPECT_EQ(blas_name(), "LibTorch");
}

TEST(Blas, AutomaticChoiceAlwaysFindsOne) {
  const auto chosen = use_blas(Blas::kAuto);
  EXPECT_NE(chosen, Blas::kAuto);
  EXPECT_EQ(chosen == Blas::kOpenBlas, blas_name().rfind("OpenBLAS ", 0) == 0) << blas_name();
  if (chosen == Blas::kOpenBlas) EXPECT_EQ(openblas_missing(), "");
  use_blas(Blas::kLibTorch);
}

TEST(Blas, AnAbsentOpenBlasIsNamed) {
  if (has_openblas()) GTEST_SKIP() << "OpenBLAS is installed";
  try {
    use_blas(Blas::kOpenBlas);
    FAIL() << "no error";
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("train.blas: openblas: libopenblas.so.0"), std::string::npos)
        << error.what();
  }
}

class OpenBlas : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!has_openblas()) GTEST_SKIP() << "OpenBLAS is not installed";
    use_blas(Blas::kOpenBlas);
  }
  void TearDown() override {
    use_blas(Blas::kLibTorch);
    set_threads(usable_cores());
  }
};

// Large enough to be shared out, with remainders; rows and columns in turn are the longer side.
TEST_F(OpenBlas, AllLayoutsOnAnyNumberOfThreads) {
  for (const auto& [m, n, k] : {std::tuple{403, 150, 67}, std::tuple{150, 403, 67}, std::tuple{8, 9, 1030}}) {
    const auto a = random_normal({m, k}, 1).to(at::kFloat), b = random_normal({k, n}, 2).to(at::kFloat);
    const auto expected = at::mm(a.to(at::kDouble), b.to(at::kDouble));
    const auto wide = random_normal({m, k + 3}, 3).to(at::kFloat), apart = random_normal({k, 2 * n}, 4).to(at::kFloat);
    wide.narrow(1, 2, k).copy_(a);
    apart.slice(1, 0, 2 * n, 2).copy_(b);
    for (const auto& left : {a, a.t().contiguous().t(), wide.narrow(1, 2, k)}) {
      for (const auto& right : {b, b.t().contiguous().t(), apart.slice(1, 0, 2 * n, 2)}) {
        for (const int threads : {1, 2, 3, 4}) {
          set_threads(threads);
          // What stood in c before must not matter, not even if it was no number; what stands beside it must stay.
          const auto buffer = at::full({m, n + 7}, std::numeric_limits<float>::quiet_NaN());
          buffer.narrow(1, n, 7).fill_(1);
          const auto c = buffer.narrow(1, 0, n);
          const auto tolerance = Tolerance::of(at::kFloat).reduction(k);
          ASSERT_TRUE(openblas_matmul(c, left, right, 0));
          EXPECT_TRUE(close(c.contiguous(), expected, tolerance));
          ASSERT_TRUE(openblas_matmul(c, left, right, 1));
          EXPECT_TRUE(close(c.contiguous(), 2 * expected, tolerance.chain(2)));
          EXPECT_EQ(buffer.narrow(1, n, 7).sum().item<double>(), m * 7);
        }
      }
    }
  }
}

TEST_F(OpenBlas, GivesTheSameBitsAgain) {
  const auto a = random_normal({300, 200}, 1).to(at::kFloat), b = random_normal({200, 300}, 2).to(at::kFloat);
  const auto first = at::full({300, 300}, 0.0f), second = at::full({300, 300}, 0.0f);
  ASSERT_TRUE(openblas_matmul(first, a, b, 0));
  ASSERT_TRUE(openblas_matmul(second, a, b, 0));
  EXPECT_TRUE(first.equal(second));
}

TEST_F(OpenBlas, LeavesOtherTypesAndSmallProductsAlone) {
  const auto product = [](std::int64_t side, at::ScalarType type) {
    const auto x = random_normal({side, side}, 1).to(type);
    return openblas_matmul(at::full({side, side}, 0, type), x, x, 0);
  };
  EXPECT_TRUE(product(64, at::kFloat));
  EXPECT_FALSE(product(64, at::kDouble));
  EXPECT_FALSE(product(64, at::kBFloat16));
  EXPECT_FALSE(product(4, at::kFloat));
}

}  // namespace
}  // namespace ingot::testing
