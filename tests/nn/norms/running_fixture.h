#pragma once
// Norms with running statistics, in training.

#include <ATen/TensorOperators.h>

#include <map>
#include <vector>

#include "nn/auxiliary_losses.h"
#include "nn/context.h"
#include "nn/norms/fixture.h"
#include "ops/recompute/recompute.h"

namespace ingot::testing {

struct RunningFixture : NormFixture {
  using NormFixture::NormFixture;

  std::int64_t updates = 0;

  SequenceContext context(const at::Tensor& x, bool is_batch = true, bool training = true) const {
    SequenceContext sequence = plain_context(x.size(0), x.size(1));
    sequence.pass.training = training;
    sequence.pass.point.updates = updates;
    sequence.is_batch = is_batch && training;
    if (sequence.is_batch) {
      const auto terms = static_cast<std::int64_t>(harness->store().losses().size());
      sequence.losses = std::make_shared<AuxiliaryLosses>(terms, at::kCPU);
    }
    return sequence;
  }
  /// In evaluation.
  at::Tensor operator()(const at::Tensor& x) const {
    const SequenceContext sequence = context(x, false, false);
    return norm->forward(x, {{}, &sequence, {}});
  }
  at::Tensor train(const at::Tensor& x, bool is_batch = true) const {
    const SequenceContext sequence = context(x, is_batch);
    return norm->forward(x, {{}, &sequence, {}});
  }
  /// Forward and backward of one micro-batch; the gradient of x.
  at::Tensor micro_batch(const at::Tensor& x, const at::Tensor& dy, bool recompute = false) const {
    const at::Tensor leaf = x.clone().requires_grad_(true);
    const auto piece = [this](const std::vector<at::Tensor>& in) { return train(in[0]); };
    const at::Tensor y = recompute ? ops::recomputed(piece, {leaf}) : train(leaf);
    (y * dy).sum().backward();
    return leaf.grad();
  }
  void apply() { harness->store().apply_buffers(++updates); }

  /// Buffers by their names below "m.".
  std::map<std::string, at::Tensor> buffers() const {
    std::map<std::string, at::Tensor> map;
    const std::size_t parameters = harness->store().masters().size();
    std::size_t i = 0;
    for (const auto& state : harness->store().state()) {
      if (i++ >= parameters) map[state.name.substr(2)] = state.tensor;
    }
    return map;
  }
};

/// Every step's outputs, gradients and buffers against a case of tests/golden/FILE.safetensors.
inline void expect_running_golden(const std::string& yaml, const std::string& name,
                                  const std::string& file = "running_norms") {
  const GoldenCase golden = golden_case(Golden(file), name + "/");
  const auto at = [&](const std::string& key) { return golden.at(key); };
  RunningFixture f(yaml, at::kDouble, at("in/x").size(-1));
  load_params(*f.harness, golden);
  for (auto& [buffer, tensor] : f.buffers()) tensor.copy_(at("before/" + buffer));
  if (golden.contains("before/steps")) f.updates = at("before/steps").item<std::int64_t>();
  const Tolerance tolerance = row_tolerance(8);
  for (std::int64_t s = 0; s < at("in/x").size(0); ++s) {
    f.harness->zero_grads();
    const at::Tensor x = at("in/x")[s].clone().requires_grad_(true);
    const at::Tensor y = f.train(x);
    EXPECT_TRUE(close(y.detach(), at("out/y")[s], tolerance)) << s;
    (y * at("dout/y")[s]).sum().backward();
    EXPECT_TRUE(close(x.grad(), at("grad/x")[s], tolerance)) << s;
    for (const Master& master : f.harness->store().masters()) {
      EXPECT_TRUE(close(master.grad, at("grad/" + master.name.substr(2))[s], tolerance)) << master.name << s;
    }
    f.apply();
    for (const auto& [buffer, tensor] : f.buffers()) {
      EXPECT_TRUE(close(tensor, at("after/" + buffer)[s], tolerance)) << buffer << s;
    }
  }
}

/// Whether in training the output at earlier tokens moves with the last token.
inline bool leaks_in_training(const RunningFixture& f) {
  const at::Tensor x = normal_rows(), other = x.clone();
  other.select(1, -1).mul_(3);
  const at::Tensor before = f.train(x).narrow(1, 0, 2), after = f.train(other).narrow(1, 0, 2);
  return !same_bits(before.contiguous(), after.contiguous());
}

/// What holds of all of them: neither evaluation nor the meta prefix nor recomputing moves the buffers, a step without
/// rows leaves them, and in evaluation no token sees another.
inline void expect_running_contract(const std::string& yaml) {
  const at::Tensor x = random_normal({4, 3, kModel}, 5), dy = random_normal({4, 3, kModel}, 6);
  const auto buffers_after = [&](bool recompute, bool meta_prefix) {
    RunningFixture f(yaml);
    if (meta_prefix) f.train(random_normal({1, 2, kModel}, 7), false);
    f(x);  // evaluation
    f.micro_batch(x, dy, recompute);
    f.apply();
    return f.buffers();
  };
  const auto plain = buffers_after(false, false);
  EXPECT_FALSE(plain.empty());
  for (const bool recompute : {false, true}) {
    for (const auto& [name, value] : buffers_after(recompute, true))
      EXPECT_TRUE(same_bits(value, plain.at(name))) << name;
  }
  RunningFixture f(yaml);
  std::map<std::string, at::Tensor> start;
  for (const auto& [name, value] : f.buffers()) start[name] = value.clone();
  f.apply();  // a step without rows
  for (const auto& [name, value] : f.buffers()) {
    EXPECT_TRUE(same_bits(value, start.at(name))) << name;
  }
  const at::Tensor other = x.clone();
  other.select(1, 2).mul_(3);
  EXPECT_TRUE(same_bits(f(x).narrow(1, 0, 2).contiguous(), f(other).narrow(1, 0, 2).contiguous()));
}

/// Buffers after one step as a whole and in two unequal micro-batches; `names`: those that must agree.
inline void expect_split_invariance(const std::string& yaml, const std::vector<std::string>& names,
                                    int steps_before = 0) {
  const at::Tensor x = random_normal({4, 3, kModel}, 5), dy = random_normal({4, 3, kModel}, 6);
  RunningFixture whole(yaml), split(yaml);
  for (RunningFixture* f : {&whole, &split}) {
    for (int i = 0; i < steps_before; ++i) {
      f->micro_batch(x + i, dy);
      f->apply();
    }
  }
  whole.micro_batch(x, dy);
  split.micro_batch(x.narrow(0, 0, 1), dy.narrow(0, 0, 1));
  split.micro_batch(x.narrow(0, 1, 3), dy.narrow(0, 1, 3));
  whole.apply(), split.apply();
  auto expected = whole.buffers(), actual = split.buffers();
  for (const std::string& name : names) EXPECT_TRUE(close(actual.at(name), expected.at(name), row_tolerance())) << name;
}

}  // namespace ingot::testing
