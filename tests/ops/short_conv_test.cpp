#include "ops/short_conv/short_conv.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include "ops/chunk/documents.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

constexpr std::int64_t kBatch = 2, kLength = 11, kChannels = 300;

at::Tensor documents() {
  const auto row = [](std::vector<std::int64_t> lengths) {
    std::vector<at::Tensor> parts;
    for (std::size_t i = 0; i < lengths.size(); ++i)
      parts.push_back(at::full({lengths[i]}, static_cast<std::int64_t>(i), at::kLong));
    return at::cat(parts);
  };
  return at::stack({row({2, 1, 8}), row({5, 6})});
}

/// y_t from the definition, one token and tap at a time.
at::Tensor by_hand(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const ops::ConvTails& tails,
                   const at::Tensor& document, bool continues) {
  const std::int64_t taps = weight.size(1);
  at::Tensor y = at::zeros_like(x);
  for (std::int64_t b = 0; b < x.size(0); ++b) {
    for (std::int64_t t = 0; t < x.size(1); ++t) {
      const std::int64_t id = document[b][t].item<std::int64_t>();
      at::Tensor sum = bias.clone();
      for (std::int64_t lag = 0; lag < taps; ++lag) {
        std::int64_t first = t;  // of the document
        while (first > 0 && document[b][first - 1].item<std::int64_t>() == id) --first;
        at::Tensor source;
        if (t - lag >= first) {
          source = x[b][t - lag];
        } else {
          const at::Tensor& tail = continues && id == 0 ? tails.incoming : tails.fresh;
          if (!tail.defined()) continue;
          source = tail[tail.size(0) > 1 ? b : 0][taps - 1 - (lag - (t - first))];
        }
        sum = sum + source * weight.select(1, taps - 1 - lag);
      }
      y[b][t] = sum;
    }
  }
  return y;
}

TEST(ShortConv, FollowsTheDefinition) {
  const at::Tensor x = random_normal({kBatch, kLength, kChannels}, 1), bias = random_normal({kChannels}, 2);
  for (const std::int64_t taps : {2, 3, 4}) {
    const at::Tensor weight = random_normal({kChannels, taps}, 3);
    for (const bool continues : {false, true}) {
      ops::ConvTails tails{continues ? random_normal({kBatch, taps - 1, kChannels}, 4) : at::Tensor(),
                           random_normal({1, taps - 1, kChannels}, 5)};
      const at::Tensor origin = ops::document_origin(documents(), continues);
      const at::Tensor expected = by_hand(x, weight, bias, tails, documents(), continues);
      const Tolerance tolerance = Tolerance::of(at::kDouble).reduction(taps);
      EXPECT_TRUE(close(ops::short_conv(x, weight, bias, tails, origin, false), expected, tolerance)) << taps;
      EXPECT_TRUE(close(ops::short_conv_reference(x, weight, bias, tails, origin, false), expected, tolerance)) << taps;
      const at::Tensor silu = expected / (1 + (-expected).exp());
      EXPECT_TRUE(close(ops::short_conv(x, weight, bias, tails, origin, true), silu, tolerance.chain(2))) << taps;
    }
  }
}

TEST(ShortConv, LowPrecisionSumsInFp32) {
  const at::Tensor weight = random_normal({kChannels, 4}, 3, at::kFloat),
                   bias = random_normal({kChannels}, 2, at::kFloat);
  const at::Tensor x = random_normal({kBatch, kLength, kChannels}, 1, at::kBFloat16);
  const at::Tensor y = ops::short_conv(x, weight, bias, {}, {}, true);
  const at::Tensor expected =
      ops::short_conv_reference(x.to(at::kDouble), weight.to(at::kDouble), bias.to(at::kDouble), {}, {}, true);
  EXPECT_TRUE(close(y, expected, Tolerance::of(at::kBFloat16)));
}

TEST(ShortConv, TakesSlices) {
  const at::Tensor weight = random_normal({kChannels, 4}, 3, at::kFloat);
  const at::Tensor wide = random_normal({kBatch, kLength, kChannels + 7}, 1, at::kFloat);
  const at::Tensor slice = wide.narrow(2, 3, kChannels);
  EXPECT_TRUE(same_bits(ops::short_conv(slice, weight, {}, {}, {}, true),
                        ops::short_conv(slice.contiguous(), weight, {}, {}, {}, true)));
}

TEST(ShortConv, GradientsMatchDifferences) {
  const at::Tensor x = random_normal({kBatch, kLength, 5}, 1), weight = random_normal({5, 4}, 2);
  const at::Tensor bias = random_normal({5}, 3), incoming = random_normal({kBatch, 3, 5}, 4),
                   fresh = random_normal({1, 3, 5}, 5);
  for (const bool silu : {false, true}) {
    const at::Tensor origin = ops::document_origin(documents(), true);
    const auto several = [&](const std::vector<at::Tensor>& in) {
      return std::vector<at::Tensor>{ops::short_conv(in[0], in[1], in[2], {in[3], in[4]}, origin, silu),
                                     ops::short_conv_tail(in[0], 4, {in[3], in[4]}, origin)};
    };
    EXPECT_TRUE(gradcheck(several, {x, weight, bias, incoming, fresh}));
    const auto one = [&](const std::vector<at::Tensor>& in) {
      return std::vector<at::Tensor>{ops::short_conv(in[0], in[1], {}, {in[2], {}}, {}, silu)};
    };
    EXPECT_TRUE(gradcheck(one, {x, weight, incoming}));
  }
}

TEST(ShortConv, TailIsWhatTheNextCallNeeds) {
  const at::Tensor x = random_normal({kBatch, kLength, 5}, 1), weight = random_normal({5, 4}, 2);
  const at::Tensor whole = ops::short_conv(x, weight, {}, {}, {}, false);
  for (const std::int64_t first : {1, 2, 3, 7}) {
    const at::Tensor tail = ops::short_conv_tail(x.narrow(1, 0, first), 4, {}, {});
    const at::Tensor rest = ops::short_conv(x.narrow(1, first, kLength - first), weight, {}, {tail, {}}, {}, false);
    EXPECT_TRUE(close(rest, whole.narrow(1, first, kLength - first), Tolerance::of(at::kDouble))) << first;
  }
}

}  // namespace
}  // namespace ingot::testing
