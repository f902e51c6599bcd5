#include <ATen/TensorOperators.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/zeros_like.h>

#include "nn/residual_harness.h"

namespace ingot::testing {
namespace {

/// Plain addition with branches that depend on what they read.
at::Tensor branch_of(const at::Tensor& h) { return h.tanh() * 0.3; }

TEST(HyperConnections, StartAsAddition) {
  for (const char* yaml : {"hyper_connections", "{type: hyper_connections, kind: static, streams: 3}"}) {
    const auto built = build_residual(yaml, 6, /*random=*/false);
    at::Tensor expected = hidden(1);
    Stream stream = built.rule->begin(expected);
    for (int depth = 0; depth < 6; ++depth) {
      const at::Tensor h = built.rule->read(depth, stream);
      EXPECT_TRUE(close(h, expected, Tolerance::of(at::kDouble).chain(depth + 1))) << yaml << depth;
      stream = built.rule->join(depth, stream, branch_of(h));
      expected = expected + branch_of(expected);
    }
    const double streams = static_cast<double>(stream.tensors[0].size(2));
    EXPECT_TRUE(close(built.rule->end(stream), streams * expected, Tolerance::of(at::kDouble).chain(8)));
  }
}

TEST(HyperConnections, FollowTheFormulaStreamByStream) {
  constexpr int kStreams = 3;
  const auto built = build_residual("{type: hyper_connections, streams: 3}");
  const at::Tensor h = random_normal({2, 3, kStreams, kModel}, 5), branch = hidden(6);
  const auto p = [&](const std::string& name) { return built.param("1.residual." + name); };
  const at::Tensor unit = h / (h.square().mean(-1, true) + 1e-6).sqrt();
  const at::Tensor change = at::tanh(at::matmul(unit, p("dynamic.weight").t()));  // [2, 3, n, n + 2]
  at::Tensor read = at::zeros_like(branch);
  std::vector<at::Tensor> next;
  for (int j = 0; j < kStreams; ++j) {
    const auto column = [&](int i, int k) { return change.select(2, i).select(-1, k).unsqueeze(-1); };
    read = read + (p("read")[j] + p("read_size") * column(j, kStreams)) * h.select(2, j);
    at::Tensor sum = (p("write")[j] + p("write_size") * column(j, kStreams + 1)) * branch;
    for (int i = 0; i < kStreams; ++i) {
      sum = sum + (p("mix")[i][j] + p("read_size") * column(i, j)) * h.select(2, i);
    }
    next.push_back(sum);
  }
  const Tolerance tolerance = Tolerance::of(at::kDouble).reduction(kModel).chain(4);
  EXPECT_TRUE(close(built.rule->read(1, {{h}}), read, tolerance));
  EXPECT_TRUE(close(built.rule->join(1, {{h}}, branch).tensors[0], at::stack(next, 2), tolerance));
}

}  // namespace
}  // namespace ingot::testing
