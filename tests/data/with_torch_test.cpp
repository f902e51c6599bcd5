// sentencepiece and LibTorch each bring code of the same libraries (protobuf): both must work in one process.

#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include "data/support.h"

namespace ingot {
namespace {

TEST(WithTorch, TrainsAndEncodesBesideTensors) {
  const at::Tensor before = at::matmul(at::ones({64, 64}), at::ones({64, 64}));
  EXPECT_EQ(before[0][0].item<float>(), 64.0f);
  const std::string text = sample_text(20000);
  const auto tokenizer = make_tokenizer("{type: sentencepiece, vocab_size: 400}", {text});
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
  const auto loaded = load_tokenizer(tokenizer_family(), tokenizer->serialize(), "x");
  EXPECT_EQ(loaded->encode(text), tokenizer->encode(text));
  EXPECT_TRUE(before.equal(at::matmul(at::ones({64, 64}), at::ones({64, 64}))));
}

}  // namespace
}  // namespace ingot
