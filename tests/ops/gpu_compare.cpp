#include "ops/gpu_compare.h"

#include <ATen/TensorOperators.h>
#include <torch/csrc/autograd/autograd.h>

#include "support/gradcheck.h"
#include "support/tolerance.h"

namespace ingot::testing {

namespace {

Tensors leaves(const std::vector<Input>& inputs, at::Device device, at::ScalarType type, at::ScalarType as) {
  Tensors out;
  for (const Input& input : inputs) {
    const at::Tensor rounded = input.value.to(input.stays_wide ? at::kFloat : type);
    const at::ScalarType kept = as == at::kDouble ? at::kDouble : rounded.scalar_type();
    out.push_back(rounded.to(device, kept).detach().requires_grad_());
  }
  return out;
}

/// y and the gradients of sum(y w) with respect to all inputs, on the CPU.
Tensors run(const Op& op, const Tensors& inputs) {
  const at::Tensor y = op(inputs);
  const at::Tensor w = random_normal(y.sizes().vec(), 99).to(at::kBFloat16).to(y.device(), y.scalar_type());
  torch::autograd::backward({(y * w).sum()}, {});
  Tensors out = {y.detach().cpu()};
  for (const at::Tensor& input : inputs) {
    if (input.grad().defined()) out.push_back(input.grad().cpu());
  }
  return out;
}

}  // namespace

const std::vector<at::ScalarType> kGpuTypes = {at::kFloat, at::kBFloat16};

void expect_alike(const Op& op, const Op& reference, const std::vector<Input>& inputs, std::int64_t terms,
                  std::int64_t operations) {
  for (const at::ScalarType type : kGpuTypes) {
    const Tensors actual = run(op, leaves(inputs, at::Device(at::kCUDA, 0), type, type));
    const Tensors expected = run(reference, leaves(inputs, at::kCPU, type, at::kDouble));
    ASSERT_EQ(actual.size(), expected.size());
    for (std::size_t i = 0; i < actual.size(); ++i) {
      // Gradients come back in their input's type; a bf16 result rounds on the way.
      Tolerance tolerance = Tolerance::of(type).reduction(terms).chain(operations);
      tolerance.dtype = actual[i].scalar_type();
      EXPECT_TRUE(close(actual[i], expected[i], tolerance)) << "result " << i << " in " << c10::toString(type);
    }
  }
}

}  // namespace ingot::testing
