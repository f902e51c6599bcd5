#include "ops/attention/attention.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <gtest/gtest.h>

#include "ops/attention/cpu.h"
#include "ops/attention/strips.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

struct Case {
  const char* name;
  std::int64_t batch, queries, keys, heads, groups, width, window, front;
  bool front_always;
  std::vector<std::vector<std::int64_t>> documents;  // lengths, for each row or one for all

  ops::VisibleKeys seen() const {
    ops::VisibleKeys visible{window, front, front_always, {}, {}};
    if (documents.empty()) return visible;
    const auto rows = static_cast<std::int64_t>(documents.size());
    visible.start = at::zeros({rows, queries}, at::kLong);
    for (std::int64_t b = 0; b < rows; ++b) {
      std::int64_t first = 0;
      for (const std::int64_t length : documents[static_cast<std::size_t>(b)]) {
        visible.start[b].narrow(0, first, length).fill_(keys - queries + first);
        first += length;
      }
    }
    return visible;
  }
};

std::vector<Case> cases() {
  return {
      {"causal", 2, 37, 37, 4, 2, 16, 0, 0, false, {}},
      {"one_token", 2, 1, 1, 2, 2, 8, 0, 0, false, {}},
      {"one_query", 2, 1, 300, 4, 2, 24, 0, 0, false, {}},
      {"one_query_window", 2, 1, 700, 6, 2, 24, 300, 0, false, {}},
      {"one_query_window_and_front", 2, 1, 700, 4, 4, 24, 300, 290, true, {}},
      {"one_query_after_front", 1, 1, 290, 4, 1, 24, 300, 270, true, {}},
      {"several_blocks", 1, 300, 300, 3, 3, 32, 0, 0, false, {}},
      {"odd_sizes", 3, 131, 131, 5, 1, 6, 0, 0, false, {}},
      {"many_heads_a_group", 1, 9, 150, 140, 2, 5, 0, 0, false, {}},
      {"window", 2, 300, 300, 4, 2, 16, 70, 0, false, {}},
      {"window_of_one", 1, 40, 40, 2, 1, 16, 1, 0, false, {}},
      {"keys_before", 2, 45, 500, 4, 2, 16, 0, 455, false, {}},
      {"window_over_keys_before", 1, 150, 290, 2, 1, 16, 130, 140, false, {}},
      {"window_and_front", 2, 290, 310, 4, 2, 16, 33, 20, true, {}},
      {"front_before_a_gap", 1, 100, 260, 2, 2, 16, 33, 130, true, {}},
      {"documents", 2, 200, 200, 4, 2, 16, 0, 0, false, {{5, 1, 150, 44}, {200}}},
      {"same_documents", 2, 90, 90, 2, 2, 16, 0, 0, false, {{30, 60}}},
      {"documents_and_front", 2, 200, 330, 6, 2, 16, 0, 130, false, {{5, 1, 150, 44}, {120, 80}}},
      {"documents_window", 2, 200, 220, 4, 2, 16, 50, 20, false, {{5, 1, 150, 44}, {120, 80}}},
      {"documents_window_front", 2, 200, 220, 4, 2, 16, 50, 20, true, {{5, 1, 150, 44}, {120, 80}}},
  };
}

struct Inputs {
  at::Tensor q, k, v, dy;

  explicit Inputs(const Case& c, at::ScalarType type = at::kDouble)
      : q(random_normal({c.batch, c.queries, c.heads, c.width}, 1)),
        k(random_normal({c.batch, c.keys, c.groups, c.width}, 2)),
        v(random_normal({c.batch, c.keys, c.groups, c.width}, 3)),
        dy(random_normal({c.batch, c.queries, c.heads, c.width}, 4)) {
    for (at::Tensor* t : {&q, &k, &v, &dy}) *t = t->to(type);
  }
  Inputs as_doubles() const {
    Inputs out = *this;
    for (at::Tensor* t : {&out.q, &out.k, &out.v, &out.dy}) *t = t->to(at::kDouble);
    return out;
  }
};

constexpr double kScale = 0.31;

/// y and the gradients of q, k, v.
template <class F>
std::vector<at::Tensor> results(const Inputs& in, const ops::VisibleKeys& seen, F f, double scale = kScale) {
  const at::Tensor q = in.q.detach().requires_grad_(), k = in.k.detach().requires_grad_(),
                   v = in.v.detach().requires_grad_();
  const at::Tensor y = f(q, k, v, seen, scale);
  y.backward(in.dy);
  return {y.detach(), q.grad(), k.grad(), v.grad()};
}

const char* const kNames[] = {"y", "dq", "dk", "dv"};

/// VisibleKeys from its definition, key by key.
bool sees(const Case& c, const ops::VisibleKeys& seen, std::int64_t b, std::int64_t i, std::int64_t j) {
  const std::int64_t own = c.keys - c.queries + i;
  std::int64_t start = c.front;
  if (seen.start.defined()) start = seen.start[seen.start.size(0) == 1 ? 0 : b][i].item<std::int64_t>();
  if (j < c.front) {
    return c.window == 0 || c.front_always || own - start + c.front - j < c.window;
  }
  return j >= start && j <= own && (c.window == 0 || own - j < c.window);
}

TEST(Attention, MasksFollowTheDefinition) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const ops::VisibleKeys seen = c.seen();
    const at::Tensor mask = ops::attention_mask(Inputs(c).q, c.keys, seen).expand({c.batch, 1, c.queries, c.keys});
    for (const std::int64_t b : {std::int64_t(0), c.batch - 1}) {
      const at::Tensor rows = mask[b][0].contiguous();
      const double* p = rows.const_data_ptr<double>();
      for (std::int64_t n = 0; n < rows.numel(); ++n) {
        const bool visible = sees(c, seen, b, n / c.keys, n % c.keys);
        ASSERT_EQ(p[n], visible ? 0 : -std::numeric_limits<double>::infinity())
            << b << " " << n / c.keys << " " << n % c.keys;
      }
    }
  }
}

TEST(Attention, AgreesWithTheReference) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    for (const at::ScalarType type : {at::kDouble, at::kFloat, at::kBFloat16}) {
      const Inputs in(c, type);
      const auto expected = results(in.as_doubles(), c.seen(), ops::attention_reference);
      const auto actual = results(in, c.seen(), ops::attention);
      // Sums over a head and over the keys, or over the queries of a group, one after the other; bf16 rounds y on the
      // way.
      const std::int64_t longest = std::max(c.keys, c.queries * c.heads / c.groups);
      const Tolerance tolerance = Tolerance::of(type).reduction(c.width).chain(2).reduction(longest);
      for (std::size_t i = 0; i < 4; ++i) {
        SCOPED_TRACE(::testing::Message() << type << " " << kNames[i]);
        if (expected[i].eq(0).all().item<bool>()) {
          // A query that sees one key moves nothing: terms of about 1 cancel.
          EXPECT_LE(actual[i].abs().max().item<double>(), tolerance.relative);
        } else {
          EXPECT_TRUE(close(actual[i], expected[i], tolerance));
        }
      }
    }
  }
}

/// Decoding wants no gradient, and one query a row then has a kernel of its own.
TEST(Attention, StepsAgreeWithTheReference) {
  const c10::NoGradGuard no_grad;
  for (const Case& c : cases()) {
    if (c.queries != 1) continue;
    SCOPED_TRACE(c.name);
    for (const at::ScalarType type : {at::kDouble, at::kFloat, at::kBFloat16}) {
      const Inputs in(c, type), wide = in.as_doubles();
      ASSERT_TRUE(ops::suits_cpu_attention_step(in.q, in.k, c.seen()));
      const at::Tensor expected = ops::attention_reference(wide.q, wide.k, wide.v, c.seen(), kScale);
      const Tolerance tolerance = Tolerance::of(type).reduction(c.width).chain(2).reduction(c.keys);
      EXPECT_TRUE(close(ops::attention(in.q, in.k, in.v, c.seen(), kScale), expected, tolerance)) << type;
      const auto strided = [](const at::Tensor& x) { return x.transpose(1, 3).contiguous().transpose(1, 3); };
      EXPECT_TRUE(same_bits(ops::attention(strided(in.q), strided(in.k), strided(in.v), c.seen(), kScale),
                            ops::attention(in.q, in.k, in.v, c.seen(), kScale)));
    }
  }
}

TEST(Attention, GradientsMatchDifferences) {
  const Case c = {"", 2, 21, 27, 4, 2, 6, 9, 6, false, {{5, 16}, {20, 1}}};
  const Inputs in(c);
  const auto f = [&](const std::vector<at::Tensor>& t) {
    return std::vector<at::Tensor>{ops::attention(t[0], t[1], t[2], c.seen(), kScale)};
  };
  EXPECT_TRUE(gradcheck(f, {in.q, in.k, in.v}));
}

/// Scores far from 0, falling and rising along the keys: the running maximum has to be carried and the sums rescaled.
TEST(Attention, LargeScoresStayFinite) {
  const Case c = {"", 1, 400, 400, 2, 1, 16, 0, 0, false, {}};
  for (const double sign : {1.0, -1.0}) {
    Inputs in(c, at::kFloat);
    in.q.fill_(1);
    in.k.copy_((at::arange(400, at::kFloat) * sign).view({1, 400, 1, 1}).expand_as(in.k));
    constexpr double kExact = 0.25;  // scores of ±4 j, without rounding
    const auto expected = results(in.as_doubles(), c.seen(), ops::attention_reference, kExact);
    const auto actual = results(in, c.seen(), ops::attention, kExact);
    const Tolerance tolerance = Tolerance::of(at::kFloat).reduction(c.width).chain(2).reduction(c.queries);
    EXPECT_TRUE(close(actual[0], expected[0], tolerance)) << sign;
    // Backward knows the probabilities through the log-sum-exp, which rounds at the size of the scores.
    const double size = 4 * 400;
    const Tolerance through_lse{at::kFloat, tolerance.relative + 0x1p-24 * size};
    EXPECT_TRUE(close(actual[3], expected[3], through_lse)) << sign;
    for (const at::Tensor& t : actual) EXPECT_TRUE(t.isfinite().all().item<bool>());
  }
}

TEST(Attention, TakesViewsOfOneProjection) {
  const Case c = {"", 2, 70, 70, 6, 2, 16, 0, 0, false, {}};
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const Inputs in(c, type);
    const at::Tensor joined = at::cat({in.q, in.k, in.v}, 2);
    Inputs views = in;
    views.q = joined.narrow(2, 0, 6);
    views.k = joined.narrow(2, 6, 2);
    views.v = joined.narrow(2, 8, 2);
    views.dy = in.dy.transpose(1, 2).contiguous().transpose(1, 2);
    const auto expected = results(in, c.seen(), ops::attention), actual = results(views, c.seen(), ops::attention);
    for (std::size_t i = 0; i < 4; ++i) EXPECT_TRUE(same_bits(actual[i], expected[i])) << kNames[i];
    // The last axis may have any stride.
    views.q = in.q.transpose(2, 3).contiguous().transpose(2, 3);
    EXPECT_TRUE(same_bits(results(views, c.seen(), ops::attention)[2], expected[2]));
  }
}

class Threads {
 public:
  explicit Threads(int count) : before_(at::get_num_threads()) { at::set_num_threads(count); }
  ~Threads() { at::set_num_threads(before_); }

 private:
  int before_;
};

/// A group an item and blocks of keys and of rows apart, which few groups need, give the same sums.
TEST(Attention, BitsDependOnNothingButTheInputs) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const Inputs in(c, at::kFloat);
    const auto run = [&](int threads) {
      const Threads set(threads);
      return results(in, c.seen(), ops::attention);
    };
    const auto one = run(1), two = run(2), again = run(2), seven = run(7);
    for (std::size_t i = 0; i < 4; ++i) {
      EXPECT_TRUE(same_bits(two[i], one[i])) << kNames[i];
      EXPECT_TRUE(same_bits(again[i], two[i])) << kNames[i];
      EXPECT_TRUE(same_bits(seven[i], one[i])) << kNames[i];
    }
  }
}

/// Bytes that tensors hold, through LibTorch's own reports.
struct MemoryMeter : c10::MemoryReportingInfoBase {
  std::int64_t now = 0, peak = 0;
  void reportMemoryUsage(void*, std::int64_t change, std::size_t, std::size_t, c10::Device) override {
    now += change;
    peak = std::max(peak, now);
  }
  bool memoryProfilingEnabled() const override { return true; }
};

TEST(Attention, MemoryIsLinearInTheLength) {
  const Case c = {"", 1, 2048, 2176, 4, 2, 32, 0, 128, false, {{700, 1348}}};
  const Inputs in(c, at::kFloat);
  const ops::VisibleKeys seen = c.seen();
  const auto meter = std::make_shared<MemoryMeter>();
  const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, meter);
  const at::Tensor q = in.q.detach().requires_grad_();
  const at::Tensor y = ops::attention(q, in.k, in.v, seen, kScale);
  const auto y_bytes = static_cast<std::int64_t>(y.nbytes());
  // y and the log-sum of each row live on; scores of one head would be 17.8 MB.
  EXPECT_EQ(meter->now, y_bytes + y_bytes / c.width);
  EXPECT_LT(meter->peak, 3 * 1000 * 1000);
  y.backward(in.dy);
  EXPECT_LT(meter->peak, 10 * 1000 * 1000);
}

template <class T>
std::vector<T> numbers(std::int64_t count, std::uint64_t seed) {
  const at::Tensor x = random_normal({count}, seed, c10::CppTypeToScalarType<T>::value);
  return {x.const_data_ptr<T>(), x.const_data_ptr<T>() + count};
}

template <class T>
at::Tensor tensor_of(const std::vector<T>& x) {
  return at::tensor(x, c10::CppTypeToScalarType<T>::value);
}

/// Products, softmax and gradient of one strip of 43 keys (no multiple of a tile), of which each query sees others.
template <class T>
std::vector<at::Tensor> strip_results(const ops::attention_cpu::StripKernels<T>& kernels) {
  using namespace ops::attention_cpu;
  constexpr std::int64_t kW = kWidth<T>, kKeys = 43, kStrips = 3;
  const auto a = numbers<T>(kStrips * kKeys * kW, 1), b = numbers<T>(kStrips * kW * kW, 2);
  std::vector<T> c = numbers<T>(kKeys * kW, 3), d = numbers<T>(kW * kW, 4), scores = numbers<T>(kKeys * kW, 5);
  kernels.product({c.data(), a.data(), kKeys * kW, b.data(), kKeys, kStrips, true});
  kernels.transposed_product({d.data(), a.data(), a.data() + kKeys * kW, kKeys, true});
  StripRange<T> range;
  for (std::int64_t l = 0; l < kW; ++l) {
    range.low[l] = static_cast<Index<T>>(3 + l % 5);
    range.high[l] = static_cast<Index<T>>(l == 2 ? 0 : 30 + l % 11);
  }
  range.close(kKeys);
  std::vector<T> max(kW, -1), sum(kW, 2), decay(kW), p = numbers<T>(kKeys * kW, 6), dp = numbers<T>(kKeys * kW, 7);
  kernels.softmax({scores.data(), &range, max.data(), sum.data(), decay.data()});
  kernels.gradient({p.data(), dp.data(), &range, max.data(), sum.data()});
  std::vector<at::Tensor> out;
  for (const auto* x : {&c, &d, &scores, &max, &sum, &decay, &p, &dp}) out.push_back(tensor_of(*x));
  return out;
}

/// The versions for other CPUs of the family, as far as this one can run them.
TEST(Attention, InstructionSetsAgree) {
  const auto check = [&]<class T>(T) {
    const auto expected = strip_results(*ops::attention_cpu::usable_strip_kernels<T>().front());
    for (const auto* kernels : ops::attention_cpu::usable_strip_kernels<T>()) {
      const auto actual = strip_results(*kernels);
      for (std::size_t i = 0; i < expected.size(); ++i) {
        const Tolerance tolerance = Tolerance::of(c10::CppTypeToScalarType<T>::value).reduction(48);
        EXPECT_TRUE(close(actual[i], expected[i], tolerance)) << i;
      }
    }
  };
  check(float());
  check(double());
}

TEST(Attention, TakesNoSecondDerivative) {
  const Case c = {"", 1, 5, 5, 1, 1, 8, 0, 0, false, {}};
  const Inputs in(c, at::kDouble);
  const at::Tensor q = in.q.detach().requires_grad_();
  const at::Tensor y = ops::attention(q, in.k, in.v, {}, kScale);
  EXPECT_THROW(y.backward(in.dy, false, /*create_graph=*/true), std::exception);
}

}  // namespace
}  // namespace ingot::testing
