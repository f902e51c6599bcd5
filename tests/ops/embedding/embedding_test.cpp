#include "ops/embedding/embedding.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include "support/gradcheck.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

struct Table {
  Table(std::int64_t rows, std::int64_t width, at::ScalarType dtype)
      : grad(at::zeros({rows, width}, dtype == at::kDouble ? at::kDouble : at::kFloat)) {
    value = random_normal({rows, width}, 1, dtype).requires_grad_();
    value.set_grad_dtype(grad.scalar_type());
    value.mutable_grad() = grad;
  }
  at::Tensor operator()(const at::Tensor& ids) const { return ops::embedding(ids, value, grad); }
  at::Tensor grad, value;
};

/// Skewed, with many repeats.
at::Tensor random_ids(at::IntArrayRef shape, std::int64_t rows) {
  return random_normal(shape, 5).square().mul(2).floor().remainder(static_cast<double>(rows)).to(at::kLong);
}

TEST(Embedding, LooksUpRows) {
  const Table table(7, 5, at::kBFloat16);
  const at::Tensor ids = random_ids({2, 9}, 7), out = table(ids);
  EXPECT_EQ(out.sizes(), (std::vector<std::int64_t>{2, 9, 5}));
  EXPECT_TRUE(same_bits(out[1][3], table.value.detach()[ids[1][3].item<std::int64_t>()]));
}

TEST(Embedding, PassesTheGradientCheck) {
  const Table table(7, 19, at::kDouble);
  const auto f = [&](const std::vector<at::Tensor>& in) { return std::vector<at::Tensor>{table(in[0]).tanh()}; };
  EXPECT_TRUE(gradcheck(f, {random_ids({3, 11}, 7)}, {{"table", table.value, table.grad}}));
  const auto transposed = [&](const std::vector<at::Tensor>& in) {
    return std::vector<at::Tensor>{table(in[0].t()).transpose(0, 2).narrow(0, 3, 8)};
  };
  EXPECT_TRUE(gradcheck(transposed, {random_ids({3, 11}, 7)}, {{"table", table.value, table.grad}}));
}

TEST(Embedding, GradientIsAddedInFp32) {
  Table table(3, 40, at::kBFloat16);
  const at::Tensor ids = random_ids({500}, 3), dy = random_normal({500, 40}, 2, at::kBFloat16);
  table.grad.fill_(1);
  table(ids).backward(dy);
  const at::Tensor exact = at::full({3, 40}, 1.0, at::kDouble).index_add(0, ids, dy.to(at::kDouble));
  EXPECT_TRUE(close(table.grad, exact, Tolerance::of(at::kFloat).reduction(500)));
}

TEST(Embedding, GradientHasTheSameBitsForAnyThreads) {
  const at::Tensor ids = random_ids({4096}, 50), dy = random_normal({4096, 200}, 2, at::kFloat);
  const int threads = at::get_num_threads();
  at::Tensor first;
  for (const int n : {1, 2, 3, 7}) {
    at::set_num_threads(n);
    Table table(50, 200, at::kFloat);
    table(ids).backward(dy);
    if (!first.defined()) first = table.grad;
    EXPECT_TRUE(same_bits(table.grad, first)) << n;
  }
  at::set_num_threads(threads);
}

TEST(Embedding, HooksFireOncePerBackward) {
  struct Hook : torch::autograd::PostAccumulateGradHook {
    explicit Hook(int* n) : count(n) {}
    void operator()(const torch::autograd::Variable&) override { ++*count; }
    int* count;
  };
  Table table(7, 5, at::kFloat);
  int count = 0;
  torch::autograd::impl::set_post_acc_grad_hooks(table.value, std::make_unique<Hook>(&count));
  const at::Tensor ids = random_ids({4}, 7);
  (table(ids).sum() + table(ids).square().sum()).backward();
  EXPECT_EQ(count, 1);
}

TEST(Embedding, RefusesBadIdsAndSecondDerivatives) {
  const Table table(7, 5, at::kFloat);
  EXPECT_ANY_THROW(table(at::full({2}, 7, at::kLong)));
  EXPECT_ANY_THROW(table(at::full({2}, -1, at::kLong)));
  EXPECT_THROW(table(at::arange(3, at::kLong)).square().sum().backward({}, std::nullopt, /*create_graph=*/true),
               std::logic_error);
}

TEST(Embedding, KeepsNoGraphWithoutGradientMode) {
  const Table table(7, 5, at::kFloat);
  at::NoGradGuard no_grad;
  EXPECT_FALSE(table(at::arange(3, at::kLong)).requires_grad());
}

}  // namespace
}  // namespace ingot::testing
