#include "bench/operation.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <utility>

#include "base/text.h"
#include "bench/stats.h"
#include "device/gpu.h"

namespace ingot {
namespace {

/// Checks run few tokens: references go token by token. The length crosses chunks of 64 and divides no vector width.
constexpr std::int64_t kCheckRows = 2;
constexpr std::int64_t kCheckLength = 67;
constexpr std::int64_t kCheckVocabulary = 1000;

BenchSizes for_check(BenchSizes sizes) {
  sizes.rows = std::min(sizes.rows, kCheckRows);
  sizes.seq_len = std::min(sizes.seq_len, kCheckLength);
  sizes.vocab_size = std::min(sizes.vocab_size, kCheckVocabulary);
  return sizes;
}

at::Tensor exact_leaf(const at::Tensor& x) {
  return x.is_floating_point() ? x.detach().to(at::kDouble).requires_grad_(x.requires_grad()) : x;
}

const at::Tensor& gradient_of(const BenchWeight& weight) {
  return weight.grad.defined() ? weight.grad : weight.value.grad();
}

void clear_gradients(DifferentiableOperation& operation) {
  for (auto& x : operation.inputs) x.mutable_grad().reset();
  for (auto& w : operation.weights) {
    if (w.grad.defined()) {
      w.grad.detach().zero_();
    } else {
      w.value.mutable_grad().reset();
    }
  }
}

/// Gradients round every term of sums over rows too; a norm-wise bound of twice the tolerance sees each mistake of a
/// formula.
std::string compare_gradient(const std::string& name, const at::Tensor& actual, const at::Tensor& expected,
                             const Tolerance& tolerance) {
  if (!expected.defined()) return "";
  if (!actual.defined()) return cat("gradient of ", name, " is missing");
  if (actual.sizes() != expected.sizes()) return cat("gradient of ", name, " has shape ", actual.sizes());
  if (expected.norm().item<double>() == 0 && actual.norm().item<double>() == 0) return "";
  const double error = relative_error(actual, expected);
  if (error <= 2 * tolerance.relative) return "";
  return cat("gradient of ", name, " is off by ", error, " of its norm, allowed ", 2 * tolerance.relative);
}

double bytes_of(const at::Tensor& x) { return x.defined() ? static_cast<double>(x.nbytes()) : 0; }

/// Forward reads inputs and weights and writes y; backward reads these and dy, and writes the gradients.
double least_bytes(const DifferentiableOperation& operation, const at::Tensor& y, at::ScalarType dtype) {
  if (operation.bytes > 0) return operation.bytes;
  double inputs = 0, gradients = 0;
  for (const auto& x : operation.inputs) {
    inputs += bytes_of(x);
    if (x.requires_grad()) gradients += bytes_of(x);
  }
  const auto element = static_cast<double>(c10::elementSize(dtype));
  for (const auto& w : operation.weights) {
    inputs += element * static_cast<double>(w.value.numel());  // masters are wider than what is multiplied with
    gradients += bytes_of(w.grad.defined() ? w.grad : w.value);
  }
  return 2 * (inputs + bytes_of(y)) + gradients;
}

void wait_for(const at::Device& device) {
  if (device.is_cuda()) gpu_synchronize();
}

Workload timed(std::shared_ptr<DifferentiableOperation> operation, const BenchSizes& sizes) {
  Workload work;
  work.parts = {"forward", "backward"};
  work.flops = 3 * operation->flops;
  const at::Tensor first = operation->forward(operation->inputs);
  work.bytes = least_bytes(*operation, first, sizes.dtype);
  at::Tensor upstream = first.detach().clone().normal_();
  if (first.dim() == 0) upstream.fill_(1);
  torch::autograd::backward({first}, {upstream});
  work.run = [operation, upstream, sizes] {
    for (auto& x : operation->inputs) x.mutable_grad().reset();
    wait_for(sizes.device);
    const double start = seconds_now();
    const at::Tensor y = operation->forward(operation->inputs);
    wait_for(sizes.device);
    const double middle = seconds_now();
    torch::autograd::backward({y}, {upstream});
    wait_for(sizes.device);
    return std::vector<double>{middle - start, seconds_now() - middle};
  };
  return work;
}

}  // namespace

at::Tensor random_input(at::IntArrayRef shape, const BenchSizes& sizes, std::uint64_t seed) {
  return random_normal(shape, seed).to(sizes.device, sizes.dtype).requires_grad_();
}

std::string check_against_reference(DifferentiableOperation& operation) {
  std::vector<at::Tensor> exact;
  for (const auto& x : operation.inputs) exact.push_back(exact_leaf(x));
  ParamMap weights;
  for (const auto& w : operation.weights) weights[w.name] = exact_leaf(w.value.detach().requires_grad_());
  const at::Tensor expected = operation.reference(exact, weights);
  clear_gradients(operation);
  const at::Tensor y = operation.forward(operation.inputs);
  const at::Tensor terms = operation.terms ? operation.terms(exact).detach() : at::Tensor();
  const auto forward = compare(y, expected.detach(), {y.scalar_type(), operation.tolerance.relative}, terms);
  if (!forward.agrees) return cat("forward: ", forward.message);
  const at::Tensor upstream =
      y.dim() == 0 ? y.detach().new_ones({}) : random_normal(y.sizes(), 77).to(y.device(), y.scalar_type());
  torch::autograd::backward({y}, {upstream});
  torch::autograd::backward({expected}, {upstream.to(at::kDouble)});
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const auto problem =
        compare_gradient(cat("input ", i), operation.inputs[i].grad(), exact[i].grad(), operation.tolerance);
    if (!problem.empty()) return problem;
  }
  for (const auto& w : operation.weights) {
    const auto problem = compare_gradient(w.name, gradient_of(w), weights.at(w.name).grad(), operation.tolerance);
    if (!problem.empty()) return problem;
  }
  return "";
}

Operation differentiable(std::string family, std::string name,
                         std::function<DifferentiableOperation(const BenchSizes& sizes)> make) {
  Operation operation;
  operation.family = std::move(family);
  operation.name = std::move(name);
  operation.check = [make](const BenchSizes& sizes) {
    auto built = make(for_check(sizes));
    return check_against_reference(built);
  };
  operation.workload = [make](const BenchSizes& sizes) {
    return timed(std::make_shared<DifferentiableOperation>(make(sizes)), sizes);
  };
  return operation;
}

}  // namespace ingot
