#include "dist/reducer.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/mm.h>
#include <gtest/gtest.h>

#include <thread>

#include "dist/threads.h"
#include "support/weights.h"

namespace ingot {
namespace {

using namespace testing;

constexpr std::int64_t kWidth = 24;
constexpr int kLayers = 5;

/// A chain of square matrices.
struct Chain {
  explicit Chain(double shift) {
    const ParamScope root(store);
    for (int i = 0; i < kLayers; ++i) {
      ParamSpec spec;
      spec.name = "layer" + std::to_string(i) + ".weight";
      spec.shape = {kWidth + i, kWidth + (i == 0 ? 0 : i - 1)};
      spec.roles = Role::kInner;
      leaves.push_back(root.leaf_of(root.declare(spec)));
    }
    make_weights(store, store_options(at::kFloat));
    x = (at::arange(7 * kWidth, at::kFloat) * 0.37 + shift).sin().view({7, kWidth});
  }
  void backward() {
    auto h = x;
    for (const auto& leaf : leaves) h = at::mm(h, leaf.weight().t()).tanh();
    h.sum().backward();
  }
  ParameterStore store;
  std::vector<WeightLeaf> leaves;
  at::Tensor x;
};

at::Tensor summed(World& world, std::int64_t bucket_bytes, bool overlap, int steps) {
  Chain chain(world.rank());
  GradientReducer reducer(chain.store, world, {bucket_bytes, Wire::kFloat32});
  for (int step = 0; step < steps; ++step) {
    chain.store.zero_grads();
    if (overlap) reducer.arm();
    chain.backward();
    reducer.finish();
  }
  return chain.store.flat_grads().clone();
}

/// Every rank's gradients added up in rank order.
at::Tensor expected_sum(int world_size) {
  at::Tensor sum;
  for (int rank = 0; rank < world_size; ++rank) {
    Chain chain(rank);
    chain.backward();
    sum = rank == 0 ? chain.store.flat_grads().clone() : sum + chain.store.flat_grads();
  }
  return sum;
}

TEST(Buckets, CoverEveryLeafOnceFromTheLastToTheFirst) {
  Chain chain(0);
  for (const std::int64_t bytes : {1, 4000, 6000, 1 << 20}) {
    std::vector<std::size_t> order;
    for (const auto& bucket : make_buckets(chain.store, bytes)) {
      order.insert(order.end(), bucket.leaves.begin(), bucket.leaves.end());
      if (bucket.leaves.size() > 1) {
        EXPECT_LE(bucket.tensor(chain.store).nbytes(), static_cast<std::size_t>(bytes));
      }
    }
    EXPECT_EQ(order, (std::vector<std::size_t>{4, 3, 2, 1, 0})) << bytes;
  }
  EXPECT_EQ(make_buckets(chain.store, 1).size(), 5u);
  EXPECT_EQ(make_buckets(chain.store, 1 << 20).size(), 1u);
}

TEST(Buckets, SharesAddUp) {
  for (const std::int64_t n : {0, 1, 16, 17, 1000, 4096}) {
    for (const int world : {1, 2, 3, 7}) {
      std::int64_t sum = 0;
      for (const auto share : sizes_of(even_bounds(n, world))) sum += share;
      EXPECT_EQ(sum, n);
    }
  }
  EXPECT_EQ(sizes_of(even_bounds(100, 3)), (std::vector<std::int64_t>{48, 48, 4}));
}

TEST(Reducer, BitsDependOnTheWorldAlone) {
  for (const int world_size : {2, 3}) {
    const auto expected = expected_sum(world_size);
    for (const std::int64_t bytes : {1, 5000, 1 << 20}) {
      for (const bool overlap : {false, true}) {
        expect_no_error(run_threads(world_size, [&](World& world) {
          EXPECT_TRUE(at::equal(summed(world, bytes, overlap, 3), expected))
              << world_size << " ranks, buckets of " << bytes << ", overlap " << overlap;
        }));
      }
    }
  }
}

TEST(Reducer, BucketsGoOutBeforeTheBackwardPassEnds) {
  expect_no_error(run_threads(2, [](World& world) {
    Chain chain(world.rank());
    GradientReducer reducer(chain.store, world, {1, Wire::kFloat32});
    double hidden = 0;
    for (int step = 0; step < 20; ++step) {
      reducer.arm();
      chain.backward();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));  // as a longer pass would
      reducer.finish();
      if (step > 0) hidden += reducer.times().hidden;
    }
    EXPECT_GT(hidden, 0);
  }));
}

TEST(Reducer, ARankWithoutAMicroBatchTakesPart) {
  expect_no_error(run_threads(2, [](World& world) {
    Chain chain(world.rank());
    GradientReducer reducer(chain.store, world, {1, Wire::kFloat32});
    for (int step = 0; step < 3; ++step) {
      chain.store.zero_grads();
      if (world.rank() == 0) {
        reducer.arm();
        chain.backward();
      }
      reducer.finish();
    }
    Chain alone(0);
    alone.backward();
    EXPECT_TRUE(at::equal(chain.store.flat_grads(), alone.store.flat_grads()));
  }));
}

TEST(Reducer, OnABf16WireAllRanksGetTheSameRoundedSum) {
  const auto exact = expected_sum(2);
  std::vector<at::Tensor> results(2);
  expect_no_error(run_threads(2, [&](World& world) {
    Chain chain(world.rank());
    GradientReducer reducer(chain.store, world, {1 << 20, Wire::kBfloat16});
    chain.backward();
    reducer.finish();
    results[static_cast<std::size_t>(world.rank())] = chain.store.flat_grads().clone();
  }));
  EXPECT_TRUE(at::equal(results[0], results[1]));
  EXPECT_FALSE(at::equal(results[0], exact));
  EXPECT_LT((results[0] - exact).abs().max().item<double>(), 0.02 * exact.abs().max().item<double>());
}

TEST(Reducer, TheLibrarysAllReduceGivesTheSameSumOnAllRanksUpToRounding) {
  const auto exact = expected_sum(3);
  for (const auto wire : {Wire::kFloat32, Wire::kBfloat16}) {
    std::vector<at::Tensor> results(3);
    expect_no_error(run_threads(3, [&](World& world) {
      Chain chain(world.rank());
      GradientReducer reducer(chain.store, world, {5000, wire, Reduction::kAllReduce});
      for (int step = 0; step < 2; ++step) {
        chain.store.zero_grads();
        reducer.arm();
        chain.backward();
        reducer.finish();
      }
      results[static_cast<std::size_t>(world.rank())] = chain.store.flat_grads().clone();
    }));
    EXPECT_TRUE(at::equal(results[0], results[1]));
    EXPECT_TRUE(at::equal(results[0], results[2]));
    // Two additions, the rank's own rounding and that of each partial sum: in units of 2^-24 or 2^-8 of the largest
    // value.
    const double unit = wire == Wire::kFloat32 ? 0x1p-24 : 0x1p-8;
    EXPECT_LE((results[0] - exact).abs().max().item<double>(), 5 * unit * exact.abs().max().item<double>());
  }
}

}  // namespace
}  // namespace ingot
