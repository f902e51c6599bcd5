#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/silu.h>
#include <gtest/gtest.h>

#include <cmath>

#include "nn/harness.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

/// An operator whose linears are as the text says, in a model of 8 sub-layers.
template <class M>
struct WithLinear {
  WithLinear(const std::string& yaml, const std::string& linear_yaml, at::ScalarType dtype = at::kDouble)
      : linear(configured<LinearEntry>(linear_yaml)) {
    const auto variant = configured<std::conditional_t<std::is_same_v<M, Ffn>, FfnEntry, MixerEntry>>(yaml);
    harness = std::make_unique<Harness>(dtype, [&](const ParamScope& scope) {
      BranchContext context = branch_context(scope);
      context.linear = &linear;
      context.num_sublayers = 8;
      module = variant.entry().make(variant.settings(), context);
    });
  }

  Variant<LinearEntry> linear;
  std::unique_ptr<M> module;
  std::unique_ptr<Harness> harness;
};

const char* const kSwiglu = "{type: swiglu, width: 24}";

at::Tensor normalised(const at::Tensor& x, const ParamMap& params, const std::string& name) {
  const at::Tensor u = at::linear(x, params.at(name + ".weight"));
  return params.at(name + ".gain") * u / (u.square().mean(-1, true) + 1e-6).sqrt();
}

TEST(Sdd, DividesEveryProductByItsRootMeanSquare) {
  const WithLinear<Ffn> ffn(kSwiglu, "sdd");
  const ParamMap params = ffn.harness->params();
  EXPECT_EQ(ffn.harness->num_parameters(), 3 * 24 * kModel + 24 + 24 + kModel);
  const at::Tensor x = random_normal({2, 5, kModel}, 1);
  const at::Tensor hidden = at::silu(normalised(x, params, "gate")) * normalised(x, params, "up");
  const at::Tensor expected = normalised(hidden, params, "down");
  EXPECT_TRUE(close(ffn.module->forward(x, plain_context(2, 5)), expected,
                    Tolerance::of(at::kDouble).reduction(kModel).chain(6)));
}

TEST(Sdd, GradientsMatchDifferences) {
  const WithLinear<Ffn> ffn(kSwiglu, "sdd");
  const auto f = [&](const std::vector<at::Tensor>& in) {
    return std::vector<at::Tensor>{ffn.module->forward(in[0], plain_context(2, 5))};
  };
  EXPECT_TRUE(gradcheck(f, {random_normal({2, 5, kModel}, 1)}, ffn.harness->checked()));
}

/// q, k and v come from one product, and each has its own mean square. The eps is too small to count.
TEST(Sdd, TheScaleOfAMatrixHasNoEffect) {
  const WithLinear<Mixer> mixer("{type: attention, num_heads: 4, position: rope}", "{type: sdd, eps: 1e-30}");
  const at::Tensor x = random_normal({2, 9, kModel}, 1);
  const at::Tensor y = mixer.module->forward(x, plain_context(2, 9), {});
  const at::NoGradGuard no_grad;
  for (const Master& master : mixer.harness->store().masters()) {
    if (master.name == "m.k.weight" || master.name == "m.o.weight") master.value.mul_(4);
  }
  EXPECT_TRUE(close(mixer.module->forward(x, plain_context(2, 9), {}), y,
                    Tolerance::of(at::kDouble).reduction(kModel * 9).chain(6)));
}

TEST(Sdd, GainsOfWhatJoinsTheStreamStartByTheDepth) {
  const auto start = [](const std::string& linear, const std::string& name) {
    const WithLinear<Ffn> ffn(kSwiglu, linear, at::kFloat);
    ffn.harness->store().initialise(1);
    return ffn.harness->params().at(name)[0].item<float>();
  };
  EXPECT_EQ(start("sdd", "gate.gain"), 1);
  EXPECT_FLOAT_EQ(start("sdd", "down.gain"), 0.5F);  // four blocks
  EXPECT_EQ(start("{type: sdd, depth_scaled: false}", "down.gain"), 1);
}

}  // namespace
}  // namespace ingot::testing
