// chunk_delta_rule and chunk_ssd against golden values, their token loops and finite differences.

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/stack.h>
#include <gtest/gtest.h>

#include "ops/chunk/products.h"
#include "ops/chunk/step.h"
#include "ops/delta_rule/delta_rule.h"
#include "ops/kernel_types.h"
#include "ops/rms_norm/rms_norm.h"
#include "ops/ssd/ssd.h"
#include "support/golden.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

constexpr std::int64_t kBatch = 2, kLength = 29, kHeads = 4;

/// q, k, v and the fourth input (beta or g) of a recurrence, and the states it may start from.
struct Inputs {
  at::Tensor q, k, v, rate;
  ops::RecurrentStates states;
};

using Chunked = std::function<ops::Recurrence(const Inputs&, const ops::DocumentChunks&, std::int64_t)>;
using Looped = std::function<ops::Recurrence(const Inputs&, const at::Tensor&)>;
using Token = std::function<ops::StateToken(const Inputs&, std::int64_t)>;

struct Rule {
  const char* name;
  Chunked chunk;
  Looped loop;
  Token token;
  std::int64_t key_heads;
  std::function<at::Tensor(const at::Tensor&)> rate;  // from a normal variable
};

const Rule kDelta = {"delta_rule",
                     [](const Inputs& i, const ops::DocumentChunks& d, std::int64_t c) {
                       return ops::chunk_delta_rule(i.q, i.k, i.v, i.rate, i.states, d, c);
                     },
                     [](const Inputs& i, const at::Tensor& origin) {
                       return ops::delta_rule_reference(i.q, i.k, i.v, i.rate, i.states, origin);
                     },
                     [](const Inputs& i, std::int64_t t) {
                       const auto at_token = [&](const at::Tensor& x) { return x.select(1, t); };
                       return ops::StateToken{at_token(i.q), at_token(i.k), at_token(i.v), {}, at_token(i.rate)};
                     },
                     kHeads,
                     [](const at::Tensor& x) { return at::sigmoid(x); }};

const Rule kSsd = {"ssd",
                   [](const Inputs& i, const ops::DocumentChunks& d, std::int64_t c) {
                     return ops::chunk_ssd(i.q, i.k, i.v, i.rate, i.states, d, c);
                   },
                   [](const Inputs& i, const at::Tensor& origin) {
                     return ops::ssd_reference(i.q, i.k, i.v, i.rate, i.states, origin);
                   },
                   [](const Inputs& i, std::int64_t t) {
                     const auto at_token = [&](const at::Tensor& x) { return x.select(1, t); };
                     return ops::StateToken{at_token(i.q), at_token(i.k), at_token(i.v), at_token(i.rate), {}};
                   },
                   2,
                   [](const at::Tensor& x) { return -at::softplus(x); }};

Inputs inputs(const Rule& rule, at::ScalarType dtype = at::kDouble) {
  Inputs in;
  in.q = ops::l2_norm_reference(random_normal({kBatch, kLength, rule.key_heads, 6}, 1), 1e-6).to(dtype);
  in.k = ops::l2_norm_reference(random_normal({kBatch, kLength, rule.key_heads, 6}, 2), 1e-6).to(dtype);
  in.v = random_normal({kBatch, kLength, kHeads, 5}, 3).to(dtype);
  in.rate = rule.rate(random_normal({kBatch, kLength, kHeads}, 4)).to(dtype);
  return in;
}

at::Tensor documents() {
  const auto row = [](std::vector<std::int64_t> lengths) {
    std::vector<at::Tensor> parts;
    for (std::size_t i = 0; i < lengths.size(); ++i)
      parts.push_back(at::full({lengths[i]}, static_cast<std::int64_t>(i), at::kLong));
    return at::cat(parts);
  };
  return at::stack({row({3, 1, 12, 13}), row({8, 8, 12, 1})});
}

class Recurrences : public ::testing::TestWithParam<const Rule*> {};

TEST_P(Recurrences, EqualTheTokenLoopAtEveryChunkSize) {
  const Rule& rule = *GetParam();
  for (const bool reset : {false, true}) {
    for (const bool continues : {false, true}) {
      for (const bool fresh : {false, true}) {
        Inputs in = inputs(rule);
        if (continues) in.states.incoming = random_normal({kBatch, kHeads, 6, 5}, 5);
        if (fresh) in.states.fresh = random_normal({1, kHeads, 6, 5}, 6);
        const at::Tensor origin = reset ? ops::document_origin(documents(), continues) : at::Tensor();
        const ops::Recurrence expected = rule.loop(in, origin);
        for (const std::int64_t chunk : {1, 3, 8, 29, 64}) {
          const ops::DocumentChunks chunks = reset ? ops::document_chunks(origin, chunk) : ops::DocumentChunks();
          const ops::Recurrence actual = rule.chunk(in, chunks, chunk);
          const Tolerance tolerance = Tolerance::of(at::kDouble).reduction(6 * kLength).chain(3);
          EXPECT_TRUE(close(actual.y, expected.y, tolerance)) << chunk << reset << continues << fresh;
          EXPECT_TRUE(close(actual.state, expected.state, tolerance)) << chunk << reset << continues << fresh;
        }
      }
    }
  }
}

TEST_P(Recurrences, GradientsMatchDifferences) {
  const Rule& rule = *GetParam();
  const Inputs in = inputs(rule);
  for (const bool reset : {false, true}) {
    const at::Tensor origin = ops::document_origin(documents(), true);
    const ops::DocumentChunks chunks = reset ? ops::document_chunks(origin, 8) : ops::DocumentChunks();
    const auto f = [&](const std::vector<at::Tensor>& x) {
      const ops::Recurrence out = rule.chunk({x[0], x[1], x[2], x[3], {x[4], reset ? x[5] : at::Tensor()}}, chunks, 8);
      return std::vector<at::Tensor>{out.y, reset ? out.state : out.state + 0 * x[5]};
    };
    EXPECT_TRUE(gradcheck(
        f, {in.q, in.k, in.v, in.rate, random_normal({kBatch, kHeads, 6, 5}, 7), random_normal({1, kHeads, 6, 5}, 8)}))
        << reset;
  }
}

TEST_P(Recurrences, KeepLowPrecisionApart) {
  const Rule& rule = *GetParam();
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const Inputs in = inputs(rule, dtype);
    Inputs wide = in;
    for (at::Tensor* t : {&wide.q, &wide.k, &wide.v, &wide.rate}) *t = t->to(at::kDouble);
    const ops::Recurrence actual = rule.chunk(in, {}, 16), expected = rule.loop(wide, {});
    EXPECT_EQ(actual.y.scalar_type(), dtype);
    EXPECT_EQ(actual.state.scalar_type(), at::kFloat);
    EXPECT_TRUE(close(actual.y, expected.y, Tolerance::of(dtype).reduction(6 * kLength)));
    // Inputs are exact in both, and the state is summed in fp32 whatever they are, but of products whose factors are
    // rounded to what this machine multiplies fastest.
    Tolerance state = Tolerance::of(ops::product_type(in.q)).reduction(6 * kLength).chain(3);
    state.dtype = at::kFloat;
    EXPECT_TRUE(close(actual.state, expected.state, state));
  }
}

/// By the kernel, and by the calls that a GPU or a state in another layout takes.
TEST_P(Recurrences, StepByStepEqualTheTokenLoop) {
  const Rule& rule = *GetParam();
  for (const at::ScalarType dtype : {at::kDouble, at::kFloat, at::kBFloat16}) {
    Inputs in = inputs(rule, dtype);
    in.states.incoming = random_normal({kBatch, kHeads, 6, 5}, 5).to(ops::wide_type(dtype));
    Inputs wide = in;
    for (at::Tensor* t : {&wide.q, &wide.k, &wide.v, &wide.rate, &wide.states.incoming}) *t = t->to(at::kDouble);
    const ops::Recurrence expected = rule.loop(wide, {});
    for (const bool is_plain : {true, false}) {
      at::Tensor state = in.states.incoming.clone();
      if (!is_plain) state = state.transpose(2, 3).contiguous().transpose(2, 3);
      std::vector<at::Tensor> rows;
      for (std::int64_t t = 0; t < kLength; ++t) rows.push_back(ops::state_step(rule.token(in, t), state));
      const at::Tensor y = at::stack(rows, 1);
      EXPECT_EQ(y.scalar_type(), dtype);
      EXPECT_TRUE(close(y, expected.y, Tolerance::of(dtype).reduction(6 * kLength).chain(3))) << dtype << is_plain;
      const auto of_state = Tolerance::of(state.scalar_type()).reduction(6 * kLength).chain(3);
      EXPECT_TRUE(close(state.contiguous(), expected.state, of_state)) << dtype << is_plain;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Rules, Recurrences, ::testing::Values(&kDelta, &kSsd),
                         [](const auto& rule) { return std::string(rule.param->name); });

void check_golden(const std::string& name, const Rule& rule, const std::string& rate, double scale) {
  const Golden golden(name);
  const auto leaf = [&](const std::string& n) { return golden.at("in/" + n).clone().requires_grad_(true); };
  const at::Tensor q = leaf("q"), k = leaf("k"), v = leaf("v"), r = leaf(rate), s0 = leaf("s0");
  const ops::Recurrence out = rule.chunk({q * scale, k, v, r, {s0, {}}}, {}, 64);
  const Tolerance tolerance = Tolerance::of(at::kDouble).reduction(8 * 75).chain(3);
  EXPECT_TRUE(close(out.y.detach(), golden.at("out/o"), tolerance));
  EXPECT_TRUE(close(out.state.detach(), golden.at("out/s"), tolerance));
  ((out.y * golden.at("dout/o")).sum() + (out.state * golden.at("dout/s")).sum()).backward();
  for (const auto& [n, t] : std::map<std::string, at::Tensor>{{"q", q}, {"k", k}, {"v", v}, {rate, r}, {"s0", s0}}) {
    EXPECT_TRUE(close(t.grad(), golden.at("grad/" + n), tolerance)) << n;
  }
}

TEST(DeltaRule, MatchesGolden) { check_golden("delta_rule_core", kDelta, "beta", 1 / std::sqrt(8.0)); }
TEST(Ssd, MatchesGolden) { check_golden("ssd_core", kSsd, "g", 1); }

/// Equal keys with beta near 1: the inverse is far from the identity, and a series for it would explode.
TEST(DeltaRule, SurvivesEqualKeys) {
  Inputs in = inputs(kDelta, at::kFloat);
  in.k = in.k.narrow(1, 0, 1).expand_as(in.k).contiguous();
  in.rate = at::full_like(in.rate, 0.99);
  Inputs wide = in;
  for (at::Tensor* t : {&wide.q, &wide.k, &wide.v, &wide.rate}) *t = t->to(at::kDouble);
  EXPECT_TRUE(close(kDelta.chunk(in, {}, 64).y, kDelta.loop(wide, {}).y,
                    Tolerance::of(at::kFloat).reduction(6 * kLength).chain(3)));
}

/// Decays that empty the state at once, and none at all.
TEST(Ssd, SurvivesStrongAndNoDecay) {
  for (const double g : {-50.0, -1000.0, 0.0}) {
    Inputs in = inputs(kSsd, at::kFloat);
    in.rate = at::full_like(in.rate, g).requires_grad_(true);
    const ops::Recurrence out = kSsd.chunk(in, {}, 16);
    Inputs wide = in;
    for (at::Tensor* t : {&wide.q, &wide.k, &wide.v, &wide.rate}) *t = t->detach().to(at::kDouble);
    EXPECT_TRUE(close(out.y.detach(), kSsd.loop(wide, {}).y, Tolerance::of(at::kFloat).reduction(6 * kLength).chain(3)))
        << g;
    out.y.sum().backward();
    EXPECT_TRUE(in.rate.grad().isfinite().all().item<bool>()) << g;
  }
}

}  // namespace
}  // namespace ingot::testing
