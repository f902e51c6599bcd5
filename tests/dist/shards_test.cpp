#include "dist/shards.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "support/weights.h"

namespace ingot {
namespace {

using namespace testing;

struct Shape {
  std::int64_t rows, columns;
};

/// Matrices "0", "1" and so on.
void lay_out(ParameterStore& store, const std::vector<Shape>& shapes, const std::string& yaml = "{}") {
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    ParamSpec spec;
    spec.name = std::to_string(i);
    spec.shape = {shapes[i].rows, shapes[i].columns};
    spec.roles = Role::kInner;
    ParamScope(store).declare(spec);
  }
  store.layout(weights_config(yaml), 4, store_options(at::kBFloat16));
}

Shards shards_of(const ParameterStore& store, Granularity granularity, int world, std::int64_t bucket_bytes) {
  return {store, std::vector<Granularity>(store.masters().size(), granularity), world, bucket_bytes};
}

std::int64_t load(const Shards& shards, int rank) {
  std::int64_t sum = 0;
  for (const auto& range : shards.ranges(rank)) sum += range.end - range.begin;
  return sum;
}

const std::vector<Shape> kModel = {{1000, 64}, {64, 64},  {300, 64}, {64, 300},
                                   {64, 64},   {300, 64}, {64, 300}, {1000, 64}};

TEST(Shards, EveryElementHasOneOwner) {
  for (const std::string yaml : {"{}", "parametrization: {type: weight_norm, per: row}"}) {
    ParameterStore store;
    lay_out(store, kModel, yaml);
    for (const auto granularity :
         {Granularity::kElement, Granularity::kRow, Granularity::kColumn, Granularity::kMatrix}) {
      for (const int world : {2, 3, 8}) {
        for (const std::int64_t bucket : {1, 200000, 1 << 30}) {
          const auto shards = shards_of(store, granularity, world, bucket);
          std::map<std::size_t, std::vector<OwnedRange>> owners;
          for (int rank = 0; rank < world; ++rank) {
            for (const auto& range : shards.ranges(rank)) owners[range.master].push_back(range);
          }
          ASSERT_EQ(owners.size(), store.masters().size());
          for (auto& [master, ranges] : owners) {
            std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
            std::int64_t reached = 0;
            for (const auto& range : ranges) {
              EXPECT_EQ(range.begin, reached);
              reached = range.end;
            }
            EXPECT_EQ(reached, store.masters()[master].numel);
          }
        }
      }
    }
  }
}

TEST(Shards, CutsLieWhereUpdatesMayBeCut) {
  ParameterStore store;
  lay_out(store, kModel);
  bool any_cut = false;
  for (int rank = 0; rank < 3; ++rank) {
    for (const auto& range : shards_of(store, Granularity::kElement, 3, 1 << 30).ranges(rank)) {
      EXPECT_EQ(range.begin % kOwnedUnit, 0);
      any_cut = any_cut || range.begin > 0;
    }
    for (const auto& range : shards_of(store, Granularity::kRow, 3, 1 << 30).ranges(rank)) {
      EXPECT_EQ(range.begin % store.masters()[range.master].shape[1], 0);
    }
    for (const auto& range : shards_of(store, Granularity::kMatrix, 3, 1 << 30).ranges(rank)) {
      EXPECT_EQ(range.begin, 0);
      EXPECT_EQ(range.end, store.masters()[range.master].numel);
    }
  }
  EXPECT_TRUE(any_cut);
}

TEST(Shards, SharesEvenOutOverBuckets) {
  ParameterStore store;
  lay_out(store, std::vector<Shape>(64, {256, 256}));
  const std::int64_t all = 64 * 256 * 256;
  for (const int world : {2, 3, 8}) {
    for (const auto granularity : {Granularity::kElement, Granularity::kMatrix}) {
      // Of one matrix or a few each: no bucket could be shared evenly by itself.
      for (const std::int64_t bucket : {1, 3 * 256 * 256 * 4}) {
        const auto shards = shards_of(store, granularity, world, bucket);
        for (int rank = 0; rank < world; ++rank) {
          EXPECT_NEAR(load(shards, rank), all / world, 2 * 256 * 256) << world << " " << bucket;
        }
      }
    }
  }
}

}  // namespace
}  // namespace ingot
