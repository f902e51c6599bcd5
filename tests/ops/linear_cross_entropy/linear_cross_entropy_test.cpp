#include "ops/linear_cross_entropy/linear_cross_entropy.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>

#include "base/random.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

using ops::LinearHead;

struct Problem {
  at::Tensor hidden, targets;
  LinearHead head;

  at::Tensor total(double z_loss = 0) const { return ops::linear_cross_entropy(hidden, head, targets, z_loss).total; }
};

struct Size {
  std::int64_t rows = 37, width = 24, vocab = 51, padded = 64;
};

/// Every fifth row has no target. Padding rows of the weight are not a number: nothing may read them.
Problem make_problem(at::ScalarType dtype, bool normalise_rows = false, Size size = {}, std::uint64_t seed = 1,
                     bool scaled = false) {
  Problem p;
  p.hidden = random_normal({size.rows, size.width}, seed).to(dtype).requires_grad_();
  auto weight = random_normal({size.padded, size.width}, seed + 1) / 3;
  weight.narrow(0, size.vocab, size.padded - size.vocab).fill_(std::numeric_limits<double>::quiet_NaN());
  p.head.weight = weight.to(dtype).requires_grad_();
  p.head.weight_grad =
      at::zeros({size.padded, size.width}, at::TensorOptions(dtype == at::kDouble ? at::kDouble : at::kFloat));
  p.head.vocab_size = size.vocab;
  p.head.normalise_rows = normalise_rows;
  if (scaled) {
    p.head.scale = (1 + 0.3 * random_normal({size.padded}, seed + 2)).to(p.head.weight_grad.scalar_type());
    p.head.scale.requires_grad_();
    p.head.scale_grad = at::zeros_like(p.head.scale.detach());
    p.head.scale_factor = 0.75;
  }
  p.targets = at::zeros({size.rows}, at::kLong);
  RandomStream random(seed, "targets");
  for (std::int64_t i = 0; i < size.rows; ++i) {
    p.targets[i] = i % 5 == 4 ? -1 : static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(size.vocab)));
  }
  return p;
}

/// The reference on the same numbers in fp64, with gradients by autograd.
struct Reference {
  at::Tensor total, hidden_grad, weight_grad, scale_grad;
};
Reference reference(const Problem& p, double z_loss) {
  const auto hidden = p.hidden.detach().to(at::kDouble).requires_grad_();
  LinearHead head = p.head;
  head.weight = p.head.weight.detach().to(at::kDouble).requires_grad_();
  if (head.scale.defined()) head.scale = p.head.scale.detach().to(at::kDouble).requires_grad_();
  const auto total = ops::linear_cross_entropy_reference(hidden, head, p.targets, z_loss);
  total.backward();
  return {total.detach(), hidden.grad(), head.weight.grad(), head.scale.defined() ? head.scale.grad() : at::Tensor()};
}

struct Case {
  const char* name;
  bool normalise_rows;
  double z_loss;
  bool scaled = false;
};

class LinearCrossEntropy : public ::testing::TestWithParam<Case> {
 protected:
  Problem problem(at::ScalarType dtype, Size size = {}) const {
    return make_problem(dtype, GetParam().normalise_rows, size, 1, GetParam().scaled);
  }
};

TEST_P(LinearCrossEntropy, AgreesWithTheReference) {
  for (const auto dtype : {at::kDouble, at::kFloat}) {
    SCOPED_TRACE(dtype);
    const auto p = problem(dtype);
    const auto expected = reference(p, GetParam().z_loss);
    const auto total = p.total(GetParam().z_loss);
    total.backward();
    const auto tolerance = Tolerance::of(dtype).reduction(p.hidden.size(1));
    EXPECT_TRUE(close(total.detach(), expected.total, tolerance));
    EXPECT_TRUE(close(p.hidden.grad(), expected.hidden_grad, tolerance.chain(2)));
    EXPECT_TRUE(close(p.head.weight_grad, expected.weight_grad, tolerance.chain(2)));
    if (p.head.scale.defined()) {
      EXPECT_TRUE(close(p.head.scale_grad, expected.scale_grad, tolerance.reduction(p.hidden.size(0)).chain(2)));
    }
  }
}

TEST_P(LinearCrossEntropy, GradientsMatchDifferences) {
  const auto p = problem(at::kDouble, {11, 6, 9, 9});
  const auto f = [&](const std::vector<at::Tensor>& inputs) {
    return std::vector<at::Tensor>{ops::linear_cross_entropy(inputs[0], p.head, inputs[1], GetParam().z_loss).total};
  };
  std::vector<CheckedParameter> checked = {{"weight", p.head.weight, p.head.weight_grad}};
  if (p.head.scale.defined()) checked.push_back({"scale", p.head.scale, p.head.scale_grad});
  EXPECT_TRUE(gradcheck(f, {p.hidden, p.targets}, checked));
}

TEST_P(LinearCrossEntropy, Bfloat16StaysNearTheReference) {
  const auto p = problem(at::kBFloat16);
  const auto expected = reference(p, GetParam().z_loss);
  const auto total = p.total(GetParam().z_loss);
  total.backward();
  // The loss is fp32 throughout. Gradients are products with the logits' gradient in bf16: one rounding of each term.
  EXPECT_TRUE(close(total.detach(), expected.total, Tolerance::of(at::kFloat).reduction(p.hidden.size(1))));
  EXPECT_TRUE(close(p.hidden.grad(), expected.hidden_grad, Tolerance::of(at::kBFloat16)));
  EXPECT_LT(relative_error(p.head.weight_grad, expected.weight_grad), 1.0 / 256);
  EXPECT_EQ(p.head.weight_grad.scalar_type(), at::kFloat);
}

TEST_P(LinearCrossEntropy, SumsSplitIntoTheirParts) {
  const auto p = problem(at::kDouble);
  const auto sums = ops::linear_cross_entropy(p.hidden, p.head, p.targets, GetParam().z_loss);
  const auto rows = ops::cross_entropy_of_rows(p.hidden, p.head, p.targets);
  const auto logits = ops::head_logits(p.hidden, p.head);
  const auto has_target = p.targets.ge(0);
  const auto z = (at::logsumexp(logits, 1).square() * has_target).sum() * GetParam().z_loss;
  EXPECT_TRUE(close(rows.sum(), sums.cross_entropy, Tolerance::of(at::kDouble)));
  EXPECT_TRUE(close(sums.z_loss, z, Tolerance::of(at::kDouble).reduction(p.hidden.size(1))));
  EXPECT_TRUE(close(sums.total.detach(), sums.cross_entropy + sums.z_loss, Tolerance::of(at::kDouble)));
  EXPECT_EQ((rows * has_target.logical_not()).abs().max().item<double>(), 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, LinearCrossEntropy,
                         ::testing::Values(Case{"plain", false, 0}, Case{"z_loss", false, 0.01},
                                           Case{"normalised", true, 0}, Case{"normalised_z_loss", true, 0.01},
                                           Case{"scaled", false, 0.01, true}, Case{"scaled_normalised", true, 0, true}),
                         [](const auto& instance) { return instance.param.name; });

TEST(LinearCrossEntropyTest, PaddingGetsNoGradient) {
  const auto p = make_problem(at::kFloat);
  p.head.weight_grad.fill_(3);
  p.total().backward();
  const auto padding = p.head.weight_grad.narrow(0, p.head.vocab_size, 64 - p.head.vocab_size);
  EXPECT_TRUE(same_bits(padding, at::full_like(padding, 3)));
}

TEST(LinearCrossEntropyTest, NothingToPredict) {
  auto p = make_problem(at::kFloat);
  p.targets.fill_(-1);
  const auto total = p.total(0.1);
  total.backward();
  EXPECT_EQ(total.item<float>(), 0);
  EXPECT_EQ(p.hidden.grad().abs().max().item<float>(), 0);
  EXPECT_EQ(p.head.weight_grad.abs().max().item<float>(), 0);
}

TEST(LinearCrossEntropyTest, MicroBatchesAddUp) {
  // 33,000 logits a row: chunks of 512 rows, so the whole is two chunks and the parts are one each.
  const Size size = {528, 2, 33000, 33000};
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    SCOPED_TRACE(dtype);
    const auto whole = make_problem(dtype, true, size);
    whole.total(0.01).backward();
    const auto parts = make_problem(dtype, true, size);
    auto first = parts, second = parts;
    first.hidden = parts.hidden.detach().narrow(0, 0, 512).requires_grad_();
    first.targets = parts.targets.narrow(0, 0, 512);
    second.hidden = parts.hidden.detach().narrow(0, 512, 16).requires_grad_();
    second.targets = parts.targets.narrow(0, 512, 16);
    first.total(0.01).backward();
    second.total(0.01).backward();
    const auto tolerance = Tolerance::of(at::kFloat).reduction(528);
    EXPECT_TRUE(close(parts.head.weight_grad, whole.head.weight_grad.to(at::kDouble), tolerance));
    EXPECT_TRUE(same_bits(first.hidden.grad(), whole.hidden.grad().narrow(0, 0, 512)));
    EXPECT_TRUE(same_bits(second.hidden.grad(), whole.hidden.grad().narrow(0, 512, 16)));
  }
}

TEST(LinearCrossEntropyTest, WithoutGradientsOnlyTheLoss) {
  const auto p = make_problem(at::kFloat);
  const auto trained = p.total().detach();
  p.head.weight_grad.zero_();
  const at::NoGradGuard no_grad;
  EXPECT_TRUE(same_bits(p.total(), trained));
  EXPECT_EQ(p.head.weight_grad.abs().max().item<float>(), 0);
}

TEST(LinearCrossEntropyTest, FrozenHead) {
  auto p = make_problem(at::kFloat);
  const auto expected = reference(p, 0);
  p.head.weight = p.head.weight.detach();
  p.head.weight_grad = at::Tensor();
  p.total().backward();
  EXPECT_TRUE(close(p.hidden.grad(), expected.hidden_grad, Tolerance::of(at::kFloat).reduction(24).chain(2)));
}

TEST(LinearCrossEntropyTest, WideStreamOverLowWeights) {
  // fp32 hidden states meet bf16 weights: rounded for the product, with a gradient in fp32.
  auto p = make_problem(at::kBFloat16);
  const auto low = make_problem(at::kBFloat16);
  p.hidden = p.hidden.detach().to(at::kFloat).requires_grad_();
  const auto total = p.total();
  total.backward();
  EXPECT_TRUE(same_bits(total.detach(), low.total().detach()));
  EXPECT_EQ(p.hidden.grad().scalar_type(), at::kFloat);
  EXPECT_LT(relative_error(p.hidden.grad(), reference(p, 0).hidden_grad), 1.0 / 256);
}

TEST(LinearCrossEntropyTest, UpstreamGradientScalesBoth) {
  const auto one = make_problem(at::kBFloat16), other = make_problem(at::kBFloat16);
  one.total(0.01).backward();
  (other.total(0.01) * 0.5).backward();
  EXPECT_TRUE(close(other.hidden.grad(), one.hidden.grad().to(at::kDouble) * 0.5, Tolerance::of(at::kBFloat16)));
  EXPECT_LT(relative_error(other.head.weight_grad, one.head.weight_grad * 0.5), 1.0 / 256);
}

TEST(LinearCrossEntropyTest, BrokenNumbersShow) {
  for (const double value : {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    const auto p = make_problem(at::kFloat);
    p.hidden.detach()[3][2] = value;
    const auto total = p.total();
    total.backward();
    EXPECT_FALSE(total.isfinite().item<bool>()) << value;
    EXPECT_FALSE(p.head.weight_grad.isfinite().all().item<bool>()) << value;
  }
}

TEST(LinearCrossEntropyTest, LargeLogitsDoNotOverflow) {
  const auto p = make_problem(at::kFloat);
  p.hidden.detach().mul_(1000);
  const auto expected = reference(p, 0);
  EXPECT_TRUE(close(p.total().detach(), expected.total, Tolerance::of(at::kFloat).reduction(24)));
}

TEST(LinearCrossEntropyTest, SecondBackwardThrows) {
  const auto p = make_problem(at::kFloat);
  const auto total = p.total();
  total.backward({}, /*retain_graph=*/true);
  EXPECT_THROW(total.backward(), std::logic_error);
}

TEST(LinearCrossEntropyTest, RefusesTargetsOutsideTheVocabulary) {
  for (const std::int64_t target : {51, -2}) {
    const auto p = make_problem(at::kFloat);
    p.targets[0] = target;
    EXPECT_THROW(p.total(), std::out_of_range) << target;
  }
}

}  // namespace
}  // namespace ingot::testing
