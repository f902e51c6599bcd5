#include "nn/golden.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "support/tolerance.h"

namespace ingot::testing {

GoldenCase golden_case(const Golden& golden, const std::string& prefix) { return golden.below(prefix); }

void load_params(Harness& harness, const GoldenCase& golden) {
  const at::NoGradGuard no_grad;
  std::size_t loaded = 0;
  for (const Master& master : harness.store().masters()) {
    master.value.copy_(golden.at("param/" + master.name.substr(2)));
    ++loaded;
  }
  std::size_t expected = 0;
  for (const auto& [name, tensor] : golden) expected += name.rfind("param/", 0) == 0 ? 1 : 0;
  ASSERT_EQ(loaded, expected);
  harness.store().materialise();
}

void expect_golden(const GoldenCase& golden, Harness& harness,
                   const std::function<at::Tensor(const at::Tensor& x)>& f) {
  const at::Tensor x = golden.at("in/x").clone().requires_grad_(true);
  harness.zero_grads();
  const at::Tensor y = f(x);
  // Up to a hundred tokens of sums over up to a hundred entries, several layers deep.
  const Tolerance tolerance = Tolerance::of(at::kDouble).reduction(10000).chain(6);
  EXPECT_TRUE(close(y.detach(), golden.at("out/y"), tolerance));
  (y * golden.at("dout/y")).sum().backward();
  EXPECT_TRUE(close(x.grad(), golden.at("grad/x"), tolerance));
  for (const Master& master : harness.store().masters()) {
    EXPECT_TRUE(close(master.grad, golden.at("grad/" + master.name.substr(2)), tolerance)) << master.name;
  }
}

void expect_activation(const std::string& text, const std::string& golden_case_name) {
  const auto variant = configured<ActivationEntry>(text);
  const auto activation = variant.entry().make(variant.settings());
  const GoldenCase golden = golden_case(Golden("activations"), golden_case_name + "/");
  const at::Tensor x = golden.at("in/x").clone().requires_grad_(true), y = activation->forward(x);
  const Tolerance tolerance = Tolerance::of(at::kDouble).chain(2);
  EXPECT_TRUE(close(y.detach(), golden.at("out/y"), tolerance));
  (y * golden.at("dout/y")).sum().backward();
  EXPECT_TRUE(close(x.grad(), golden.at("grad/x"), tolerance));
}

void expect_gated_ffn(const std::string& text, const std::string& golden_case_name) {
  const auto variant = configured<FfnEntry>(text);
  const Built<Ffn> ffn = build_ffn(variant.name(), variant.settings(), at::kDouble);
  const GoldenCase golden = golden_case(Golden("gated_ffns"), golden_case_name + "/");
  load_params(*ffn.harness, golden);
  expect_golden(golden, *ffn.harness, [&](const at::Tensor& x) { return ffn.module->forward(x, plain_context(1, 3)); });
}

}  // namespace ingot::testing
