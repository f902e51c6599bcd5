// Every operation with a CUDA kernel against its plain form in fp64 on the CPU: values and gradients.

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>

#include "ops/attention/attention.h"
#include "ops/chunk/documents.h"
#include "ops/dyt/dyt.h"
#include "ops/embedding/embedding.h"
#include "ops/gpu_compare.h"
#include "ops/layer_norm/layer_norm.h"
#include "ops/linear/linear.h"
#include "ops/linear_cross_entropy/linear_cross_entropy.h"
#include "ops/rms_norm/rms_norm.h"
#include "ops/rotary/rotary.h"
#include "ops/scale_heads/scale_heads.h"
#include "ops/seed_norm/seed_norm.h"
#include "ops/short_conv/short_conv.h"
#include "ops/swiglu/swiglu.h"
#include "support/gpu.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

/// The gain of a norm and rows of many widths: warps and blocks, packed and not.
TEST(NormKernels, AgreeWithTheReference) {
  INGOT_NEEDS_GPU();
  for (const std::int64_t width : {7, 64, 96, 256, 320, 1000, 2048, 4096}) {
    const std::vector<Input> inputs = {{random_normal({3, 41, width}, 1)}, {random_normal({width}, 2), true}};
    SCOPED_TRACE(width);
    expect_alike([](const Tensors& t) { return ops::rms_norm(t[0], t[1], 1e-6); },
                 [](const Tensors& t) { return ops::rms_norm_reference(t[0], t[1], 1e-6); }, inputs, 123);
  }
}

TEST(NormKernels, UnitLengthAndGate) {
  INGOT_NEEDS_GPU();
  for (const std::int64_t width : {64, 512, 4096}) {
    expect_alike([](const Tensors& t) { return ops::l2_norm(t[0], 1e-6, 0.125); },
                 [](const Tensors& t) { return ops::l2_norm_reference(t[0], 1e-6, 0.125); },
                 {{random_normal({3, 41, width}, 1)}}, 1);
    expect_alike(
        [](const Tensors& t) { return ops::gated_rms_norm(t[0], t[1], t[2], 1e-5); },
        [](const Tensors& t) { return ops::gated_rms_norm_reference(t[0], t[1], t[2], 1e-5); },
        {{random_normal({3, 41, width}, 1)}, {random_normal({3, 41, width}, 2)}, {random_normal({width}, 3), true}},
        123);
  }
}

TEST(NormKernels, LongRowsThatBeginBetweenPacks) {
  INGOT_NEEDS_GPU();
  constexpr std::int64_t kRows = 9, kWidth = 4096;
  const auto rows = [](const at::Tensor& x) { return x.narrow(0, 1, kRows * kWidth).view({kRows, kWidth}); };
  expect_alike([&](const Tensors& t) { return ops::gated_rms_norm(rows(t[0]), rows(t[1]), t[2], 1e-5); },
               [&](const Tensors& t) { return ops::gated_rms_norm_reference(rows(t[0]), rows(t[1]), t[2], 1e-5); },
               {{random_normal({kRows * kWidth + 1}, 1)},
                {random_normal({kRows * kWidth + 1}, 2)},
                {random_normal({kWidth}, 3), true}},
               kRows);
}

TEST(NormKernels, HeadsInsideWiderRows) {
  INGOT_NEEDS_GPU();
  const auto heads = [](const at::Tensor& x) { return x.view({2, 50, 6, 32}).narrow(2, 1, 3); };
  expect_alike([&](const Tensors& t) { return ops::rms_norm(heads(t[0]), t[1], 1e-6); },
               [&](const Tensors& t) { return ops::rms_norm_reference(heads(t[0]), t[1], 1e-6); },
               {{random_normal({2, 50, 192}, 1)}, {random_normal({32}, 2), true}}, 300);
}

TEST(NormKernels, LayerNormDytAndSeedNorm) {
  INGOT_NEEDS_GPU();
  for (const std::int64_t width : {7, 96, 256, 1000, 2048}) {
    SCOPED_TRACE(width);
    // A mean that is large beside the deviations.
    const Input x = {random_normal({3, 41, width}, 1) + 3}, gain = {random_normal({width}, 2), true},
                bias = {random_normal({width}, 3), true}, small = {0.1 * random_normal({width}, 4), true};
    expect_alike([](const Tensors& t) { return ops::layer_norm(t[0], t[1], t[2], 1e-5); },
                 [](const Tensors& t) { return ops::layer_norm_reference(t[0], t[1], t[2], 1e-5); }, {x, gain, bias},
                 width, 6);
    expect_alike([](const Tensors& t) { return ops::layer_norm(t[0], t[1], {}, 1e-5); },
                 [](const Tensors& t) { return ops::layer_norm_reference(t[0], t[1], {}, 1e-5); }, {x, gain}, width, 6);
    const Input slope = {at::full({1}, 0.7, at::kDouble), true};
    expect_alike([](const Tensors& t) { return ops::dyt(t[0], t[1], t[2], t[3]); },
                 [](const Tensors& t) { return ops::dyt_reference(t[0], t[1], t[2], t[3]); }, {x, slope, gain, bias},
                 123 * width);
    expect_alike([](const Tensors& t) { return ops::seed_norm(t[0], t[1], t[2], t[3], 1, 1e-5); },
                 [](const Tensors& t) { return ops::seed_norm_reference(t[0], t[1], t[2], t[3], 1, 1e-5); },
                 {x, gain, small, bias}, width, 6);
  }
}

TEST(SwigluKernels, AgreeWithTheReference) {
  INGOT_NEEDS_GPU();
  for (const std::int64_t width : {2, 10, 512, 3000}) {
    expect_alike([](const Tensors& t) { return ops::swiglu(t[0]); },
                 [](const Tensors& t) { return ops::swiglu_reference(t[0]); }, {{random_normal({5, 33, width}, 1)}}, 1);
  }
}

TEST(ScaleHeadsKernels, AgreeWithTheReference) {
  INGOT_NEEDS_GPU();
  const auto heads = [](const at::Tensor& x) { return x.narrow(2, 0, 96).unflatten(2, {3, 32}); };
  for (const bool shared : {false, true}) {
    const at::Tensor scale = shared ? random_normal({3}, 2) : random_normal({2, 50, 3}, 2);
    expect_alike([&](const Tensors& t) { return ops::scale_heads(heads(t[0]), t[1], t[2]); },
                 [&](const Tensors& t) { return ops::scale_heads_reference(heads(t[0]), t[1], t[2]); },
                 {{random_normal({2, 50, 120}, 1)}, {scale, true}, {random_normal({2, 50, 3, 32}, 3)}}, 3200);
  }
}

TEST(NormKernels, WriteTheTypeOfTheReader) {
  INGOT_NEEDS_GPU();
  const at::Tensor x = random_normal({40, 96}, 1, at::kFloat), gain = random_normal({96}, 2, at::kFloat);
  const auto cuda = [](const at::Tensor& t) { return t.to(at::Device(at::kCUDA, 0)); };
  EXPECT_TRUE(close(ops::rms_norm(cuda(x), cuda(gain), 1e-6, at::kBFloat16).cpu(),
                    ops::rms_norm_reference(x.to(at::kDouble), gain.to(at::kDouble), 1e-6),
                    Tolerance::of(at::kBFloat16)));
}

TEST(RotaryKernels, AgreeWithTheReference) {
  INGOT_NEEDS_GPU();
  for (const std::int64_t half : {3, 16, 64}) {
    const at::Tensor angle = random_normal({1, 19, half}, 5);
    const auto rotated = [&](bool kernel) -> Op {
      return [&angle, kernel](const Tensors& t) {
        const at::ScalarType wide = t[0].scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
        // Angles in fp32 for both, so that only the rotation is compared.
        const at::Tensor cos = angle.to(at::kFloat).cos().to(t[0].device(), wide);
        const at::Tensor sin = angle.to(at::kFloat).sin().to(t[0].device(), wide);
        return kernel ? ops::rotate_half(t[0], cos, sin) : ops::rotate_half_reference(t[0], cos, sin);
      };
    };
    expect_alike(rotated(true), rotated(false), {{random_normal({2, 19, 3, 2 * half}, 1)}}, 1);
  }
}

at::Tensor documents(std::int64_t batch) {
  const auto run = [](std::int64_t length, std::int64_t id) { return at::full({length}, id, at::kLong); };
  return at::cat({run(2, 0), run(1, 1), run(130, 2), run(67, 3)}).expand({batch, 200}).contiguous();
}

TEST(ShortConvKernels, AgreeWithTheReference) {
  INGOT_NEEDS_GPU();
  for (const std::int64_t channels : {6, 64}) {
    for (const std::int64_t taps : {2, 3, 4}) {
      for (const bool several : {false, true}) {
        for (const bool continues : {false, true}) {
          SCOPED_TRACE(::testing::Message() << channels << " channels, " << taps << " taps, documents " << several);
          const std::vector<Input> inputs = {{random_normal({3, 200, channels}, 1)},
                                             {random_normal({channels, taps}, 2), true},
                                             {random_normal({channels}, 3), true},
                                             {random_normal({3, taps - 1, channels}, 4)},
                                             {random_normal({1, taps - 1, channels}, 5)}};
          const auto convolved = [&](bool kernel) -> Op {
            return [=](const Tensors& t) {
              const at::Tensor origin =
                  several ? ops::document_origin(documents(3), continues).to(t[0].device()) : at::Tensor();
              const ops::ConvTails tails{t[3], t[4]};
              return kernel ? ops::short_conv(t[0], t[1], t[2], tails, origin, true)
                            : ops::short_conv_reference(t[0], t[1], t[2], tails, origin, true);
            };
          };
          std::vector<Input> used = inputs;
          expect_alike(convolved(true), convolved(false), used, 600);
        }
      }
    }
  }
}

TEST(CudnnAttention, AgreesWithTheReference) {
  INGOT_NEEDS_GPU();
  for (const std::int64_t width : {32, 64, 128}) {
    SCOPED_TRACE(width);
    const std::vector<Input> inputs = {{random_normal({2, 96, 4, width}, 1)},
                                       {random_normal({2, 96, 4, width}, 2)},
                                       {random_normal({2, 96, 4, width}, 3)}};
    expect_alike([=](const Tensors& t) { return ops::attention(t[0], t[1], t[2], {}, 0.17); },
                 [=](const Tensors& t) { return ops::attention_reference(t[0], t[1], t[2], {}, 0.17); }, inputs, 96);
  }
}

TEST(FlashAttention, AgreesWithTheReference) {
  INGOT_NEEDS_GPU();
  for (const std::int64_t before : {0, 40}) {
    for (const std::int64_t window : {0, 24}) {
      SCOPED_TRACE(::testing::Message() << before << " keys before, window " << window);
      const std::vector<Input> inputs = {{random_normal({2, 96, 4, 32}, 1)},
                                         {random_normal({2, 96 + before, 2, 32}, 2)},
                                         {random_normal({2, 96 + before, 2, 32}, 3)}};
      const ops::VisibleKeys seen{window, 0, false, {}, {}};
      expect_alike([=](const Tensors& t) { return ops::attention(t[0], t[1], t[2], seen, 0.17); },
                   [=](const Tensors& t) { return ops::attention_reference(t[0], t[1], t[2], seen, 0.17); }, inputs,
                   96 + before);
    }
  }
}

/// Loss, gradient of the hidden states and of the weight.
Tensors head_results(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets, std::int64_t vocab,
                     bool normalise, double z_loss) {
  const at::Tensor h = hidden.detach().requires_grad_(), w = weight.detach().requires_grad_();
  const at::ScalarType wide = w.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor dw = at::zeros(w.sizes(), w.options().dtype(wide).requires_grad(false));
  const auto sums = ops::linear_cross_entropy(h, {w, dw, vocab, normalise}, targets, z_loss);
  torch::autograd::backward({sums.total}, {});
  return {sums.total.detach().cpu(), h.grad().cpu(), dw.cpu()};
}

TEST(CrossEntropyKernels, AgreeWithTheCpu) {
  INGOT_NEEDS_GPU();
  constexpr std::int64_t kRows = 70, kWidth = 48, kVocab = 1003, kPadded = 1024;
  for (const at::ScalarType type : kGpuTypes) {
    for (const bool normalise : {false, true}) {
      const at::Tensor hidden = random_normal({kRows, kWidth}, 1).to(type);
      // Logits of a few units: the exponential turns the error of a large logit into a relative one.
      const at::Tensor weight = random_normal({kPadded, kWidth}, 2).mul(0.2).to(type);
      at::Tensor targets = at::arange(kRows, at::kLong).mul(97).remainder(kVocab);
      targets[5] = -1;
      const auto cuda = [](const at::Tensor& t) { return t.to(at::Device(at::kCUDA, 0)); };
      const Tensors actual = head_results(cuda(hidden), cuda(weight), cuda(targets), kVocab, normalise, 1e-3);
      const Tensors expected =
          head_results(hidden.to(at::kDouble), weight.to(at::kDouble), targets, kVocab, normalise, 1e-3);
      for (std::size_t i = 0; i < actual.size(); ++i) {
        Tolerance tolerance = Tolerance::of(type).reduction(kWidth).chain(2);
        tolerance.dtype = actual[i].scalar_type();
        EXPECT_TRUE(close(actual[i], expected[i], tolerance))
            << "result " << i << " in " << c10::toString(type) << ", normalised rows " << normalise;
      }
    }
  }
}

TEST(LinearOnGpu, AccumulatesWideGradients) {
  INGOT_NEEDS_GPU();
  for (const at::ScalarType type : kGpuTypes) {
    const at::Tensor x = random_normal({3, 50, 40}, 1).to(type), weight = random_normal({24, 40}, 2).to(type);
    const auto gradients = [&](at::Device device, at::ScalarType as) {
      const at::Tensor input = x.to(device, as).detach().requires_grad_();
      const at::Tensor w = weight.to(device, as).detach().requires_grad_();
      const at::Tensor dw = at::full(
          w.sizes(), 0.5, w.options().dtype(as == at::kDouble ? at::kDouble : at::kFloat).requires_grad(false));
      const at::Tensor y = ops::linear(input, w, dw);
      torch::autograd::backward({y.sum()}, {});
      return Tensors{y.detach().cpu(), input.grad().cpu(), dw.cpu()};
    };
    const Tensors actual = gradients(at::Device(at::kCUDA, 0), type), expected = gradients(at::kCPU, at::kDouble);
    for (std::size_t i = 0; i < actual.size(); ++i) {
      Tolerance tolerance = Tolerance::of(type).reduction(150);
      tolerance.dtype = actual[i].scalar_type();
      EXPECT_TRUE(close(actual[i], expected[i], tolerance)) << i;
    }
    // fp32 sums whatever the factors: no bf16 rounding of dW.
    EXPECT_TRUE(close(actual[2], expected[2], Tolerance::of(at::kFloat).reduction(150)));
  }
}

TEST(EmbeddingOnGpu, AccumulatesWideGradients) {
  INGOT_NEEDS_GPU();
  const at::Tensor ids = at::arange(60, at::kLong).remainder(7).view({3, 20});
  const at::Tensor weight = random_normal({9, 16}, 1, at::kFloat);
  const auto gradient = [&](at::Device device) {
    const at::Tensor w = weight.to(device).detach().requires_grad_();
    const at::Tensor dw = at::zeros(w.sizes(), w.options().requires_grad(false));
    const at::Tensor y = ops::embedding(ids.to(device), w, dw);
    torch::autograd::backward({y.square().sum()}, {});
    return dw.cpu();
  };
  EXPECT_TRUE(close(gradient(at::Device(at::kCUDA, 0)), gradient(at::kCPU).to(at::kDouble),
                    Tolerance::of(at::kFloat).reduction(9)));
}

}  // namespace
}  // namespace ingot::testing
