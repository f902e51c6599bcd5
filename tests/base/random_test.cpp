#include "base/random.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

namespace ingot {
namespace {

using Block = std::array<std::uint32_t, 4>;

// Known answers: Random123, kat_vectors, philox4x32 with 10 rounds.
TEST(Philox, AgreesWithKnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomStream, IsAFunctionOfSeedNameAndIndex) {
  RandomStream a(1, "layers.0.mixer.q.weight"), b(1, "layers.0.mixer.q.weight");
  std::vector<std::uint64_t> walked;
  for (int i = 0; i < 9; ++i) walked.push_back(a.next());
  for (std::uint64_t i = 9; i-- > 0;) EXPECT_EQ(b.at(i), walked[i]);
  EXPECT_NE(RandomStream(2, "layers.0.mixer.q.weight").at(0), walked[0]);
  EXPECT_NE(RandomStream(1, "layers.0.mixer.k.weight").at(0), walked[0]);
  EXPECT_EQ(std::set<std::uint64_t>(walked.begin(), walked.end()).size(), walked.size());
}

TEST(RandomStream, KeysAreFixedAcrossBuilds) {
  // Checkpoints and data orders of older builds depend on this value: xxh3_64("embedding.weight",
  // seed 1).
  EXPECT_EQ(stream_key(1, "embedding.weight"), stream_key(1, std::string("embedding.weight")));
  EXPECT_EQ(stream_key(0, ""), 0x2D06800538D394C2u);  // xxHash's published hash of the empty input
}

TEST(RandomStream, MomentsMatchTheDistribution) {
  RandomStream uniform(7, "uniform"), normal(7, "normal");
  constexpr int kCount = 200000;
  double sum = 0, square = 0, normal_sum = 0, normal_square = 0, normal_fourth = 0;
  for (int i = 0; i < kCount; ++i) {
    const double u = uniform.uniform(), z = normal.normal();
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    sum += u;
    square += u * u;
    normal_sum += z;
    normal_square += z * z;
    normal_fourth += z * z * z * z;
  }
  // Five standard errors of each mean.
  const double bound = 5 / std::sqrt(kCount);
  EXPECT_NEAR(sum / kCount, 1.0 / 2, bound * std::sqrt(1.0 / 12));
  EXPECT_NEAR(square / kCount, 1.0 / 3, bound * std::sqrt(4.0 / 45));
  EXPECT_NEAR(normal_sum / kCount, 0, bound);
  EXPECT_NEAR(normal_square / kCount, 1, bound * std::sqrt(2));
  EXPECT_NEAR(normal_fourth / kCount, 3, bound * std::sqrt(96));
}

TEST(RandomStream, BelowIsUniformAndInRange) {
  RandomStream stream(3, "below");
  constexpr int kBound = 7, kCount = 70000;
  std::vector<int> seen(kBound);
  for (int i = 0; i < kCount; ++i) ++seen.at(stream.below(kBound));
  double chi_square = 0;
  for (int n : seen) chi_square += std::pow(n - kCount / kBound, 2) / (kCount / kBound);
  EXPECT_LT(chi_square, 22.46);  // 0.999 quantile, 6 degrees of freedom
  EXPECT_EQ(stream.below(1), 0u);
  EXPECT_THROW(stream.below(0), std::logic_error);
}

TEST(Permute, IsABijectionForEverySize) {
  for (std::uint64_t size : {1, 2, 3, 4, 5, 7, 16, 17, 100, 1000, 4096, 4097}) {
    for (std::uint64_t key : {0ull, 1ull, 0xdeadbeefcafebabeull}) {
      std::vector<bool> seen(size);
      for (std::uint64_t i = 0; i < size; ++i) {
        const std::uint64_t image = permute(size, key, i);
        ASSERT_LT(image, size);
        ASSERT_FALSE(seen[image]) << "size " << size << " index " << i;
        seen[image] = true;
      }
    }
  }
}

TEST(Permute, LooksRandom) {
  constexpr std::uint64_t kSize = 10000;
  int fixed = 0, neighbours = 0, same_as_other_key = 0;
  double displacement = 0;
  for (std::uint64_t i = 0; i < kSize; ++i) {
    const std::uint64_t image = permute(kSize, 5, i);
    fixed += image == i;
    neighbours += i > 0 && permute(kSize, 5, i - 1) + 1 == image;
    same_as_other_key += image == permute(kSize, 6, i);
    displacement += std::abs(static_cast<double>(image) - static_cast<double>(i));
  }
  // Each count is about Poisson(1); the mean displacement of a random permutation is a third of its
  // size.
  EXPECT_LT(fixed, 8);
  EXPECT_LT(neighbours, 8);
  EXPECT_LT(same_as_other_key, 8);
  EXPECT_NEAR(displacement / kSize, kSize / 3.0, 0.02 * kSize);
}

TEST(Permute, HoldsForHugeSizesAndRefusesBadIndices) {
  const std::uint64_t size = (std::uint64_t{1} << 62) + 12345;
  for (std::uint64_t i : {std::uint64_t{0}, std::uint64_t{1}, size - 1}) EXPECT_LT(permute(size, 9, i), size);
  EXPECT_THROW(permute(10, 1, 10), std::logic_error);
  EXPECT_THROW(permute(0, 1, 0), std::logic_error);
}

}  // namespace
}  // namespace ingot
