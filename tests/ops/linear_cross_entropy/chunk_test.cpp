#include "ops/linear_cross_entropy/chunk.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "support/gradcheck.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

constexpr std::int64_t kRows = 83, kVocab = 1003;  // neither a multiple of a block or of a vector

struct Made {
  ops::LogitChunk chunk;
  at::Tensor gradient, moments;
};

Made make_chunk(at::ScalarType dtype, at::ScalarType gradient_dtype, bool scaled) {
  Made made;
  const auto options = at::TensorOptions(dtype);
  // Wider than the vocabulary, as the caller's buffer is.
  const auto buffer = at::zeros({kRows, kVocab + 5}, options);
  made.chunk.logits = buffer.narrow(1, 0, kVocab);
  made.chunk.logits.copy_(random_normal({kRows, kVocab}, 1) * 4);
  if (scaled) made.chunk.column_scale = random_normal({kVocab}, 2).abs().to(dtype);
  made.chunk.targets = (at::arange(kRows) * 131) % kVocab;
  made.chunk.targets.narrow(0, 20, 30).fill_(-1);
  made.chunk.z_loss = 0.01;
  made.chunk.cross_entropy = at::empty({kRows}, options);
  made.chunk.z = at::empty({kRows}, options);
  made.gradient = made.chunk.logits;
  if (gradient_dtype != dtype) {
    made.gradient = at::zeros({kRows, kVocab + 5}, options.dtype(gradient_dtype)).narrow(1, 0, kVocab);
  }
  if (scaled) made.moments = at::zeros({kVocab}, options);
  return made;
}

TEST(LogitChunk, KernelsAgreeWithTheReference) {
  for (const bool scaled : {false, true}) {
    for (const auto dtype : {at::kDouble, at::kFloat, at::kBFloat16}) {
      SCOPED_TRACE(dtype);
      const auto wide = dtype == at::kDouble ? at::kDouble : at::kFloat;
      const auto a = make_chunk(wide, dtype, scaled), b = make_chunk(at::kDouble, at::kDouble, scaled);
      if (dtype != at::kDouble) {
        b.chunk.logits.copy_(a.chunk.logits);
        if (scaled) b.chunk.column_scale.copy_(a.chunk.column_scale);
      }
      ops::chunk_losses_and_gradient(a.chunk, 0.5, a.gradient, a.moments);
      ops::chunk_reference(b.chunk, 0.5, b.gradient, b.moments);
      const auto tolerance = Tolerance::of(wide).reduction(kVocab);
      EXPECT_TRUE(close(a.chunk.cross_entropy, b.chunk.cross_entropy, tolerance));
      EXPECT_TRUE(close(a.chunk.z, b.chunk.z, tolerance));
      if (scaled) {
        EXPECT_TRUE(close(a.moments, b.moments, tolerance.chain(2)));
      }
      EXPECT_TRUE(close(a.gradient, b.gradient, dtype == wide ? tolerance : Tolerance::of(dtype)));
    }
  }
}

TEST(LogitChunk, LossesAloneAreTheSameBits) {
  const auto a = make_chunk(at::kFloat, at::kFloat, true), b = make_chunk(at::kFloat, at::kFloat, true);
  ops::chunk_losses(a.chunk);
  ops::chunk_losses_and_gradient(b.chunk, 1, b.gradient, {});
  EXPECT_TRUE(same_bits(a.chunk.cross_entropy, b.chunk.cross_entropy));
  EXPECT_TRUE(same_bits(a.chunk.z, b.chunk.z));
}

TEST(LogitChunk, ThreadsDoNotMatter) {
  const int threads = at::get_num_threads();
  const auto one = make_chunk(at::kFloat, at::kBFloat16, true), two = make_chunk(at::kFloat, at::kBFloat16, true);
  at::set_num_threads(1);
  ops::chunk_losses_and_gradient(one.chunk, 1, one.gradient, one.moments);
  at::set_num_threads(2);
  ops::chunk_losses_and_gradient(two.chunk, 1, two.gradient, two.moments);
  at::set_num_threads(threads);
  EXPECT_TRUE(same_bits(one.chunk.cross_entropy, two.chunk.cross_entropy));
  EXPECT_TRUE(same_bits(one.gradient, two.gradient));
  EXPECT_TRUE(same_bits(one.moments, two.moments));
}

}  // namespace
}  // namespace ingot::testing
