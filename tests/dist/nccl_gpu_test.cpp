// One rank: what NCCL carries comes back. Several need as many GPUs.

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include "device/side_stream.h"
#include "dist/cuda/nccl.h"
#include "support/gpu.h"

namespace ingot {
namespace {

const at::Device kGpu(at::kCUDA, 0);

void finish(const c10::intrusive_ptr<c10d::Work>& work) {
  while (!work->isCompleted()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  if (work->exception()) std::rethrow_exception(work->exception());
}

TEST(Nccl, AWorldOfOneGetsItsOwnValues) {
  INGOT_NEEDS_GPU();
  const auto store = c10::make_intrusive<c10d::HashStore>();
  auto* const made = INGOT_GPU_FUNCTION(ingot_cuda_make_nccl)(store.get(), 0, 1);
  if (made == nullptr) GTEST_SKIP() << "the plugin was built without NCCL";
  const auto group = c10::intrusive_ptr<c10d::Backend>::reclaim(made);
  const auto values = at::arange(1000, at::TensorOptions(at::kFloat).device(kGpu));

  std::vector<at::Tensor> tensors{values.clone()};
  finish(group->broadcast(tensors));
  finish(group->allreduce(tensors));
  EXPECT_TRUE(at::equal(tensors[0], values));

  auto send = values.clone(), receive = at::empty_like(values);
  std::vector<std::int64_t> counts{1000};
  finish(group->alltoall_base(receive, send, counts, counts));
  EXPECT_TRUE(at::equal(receive, values));
  group->shutdown();
}

TEST(SideStreamGpu, StartsWhenWhatItFollowsIsDone) {
  INGOT_NEEDS_GPU();
  const SideStream side(kGpu);
  auto x = at::ones({2048, 2048}, at::TensorOptions(at::kFloat).device(kGpu)) / 2048;
  auto y = x;
  for (int i = 0; i < 50; ++i) y = at::mm(y, x);  // each product is x again
  auto out = at::empty_like(x);
  side.follow_current();
  {
    const SideStream::Guard guard(side);
    out.copy_(y);
  }
  side.wait();
  EXPECT_TRUE(at::equal(out.cpu(), x.cpu()));
}

}  // namespace
}  // namespace ingot
