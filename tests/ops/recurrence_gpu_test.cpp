// The chunked recurrences on a GPU against the loops over tokens in fp64 on the CPU.

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softplus.h>

#include "ops/delta_rule/delta_rule.h"
#include "ops/gpu_compare.h"
#include "ops/rms_norm/rms_norm.h"
#include "ops/ssd/ssd.h"
#include "support/gpu.h"
#include "support/gradcheck.h"

namespace ingot::testing {
namespace {

constexpr std::int64_t kBatch = 2, kLength = 200, kHeads = 4, kChunk = 64;

at::Tensor documents() {
  const auto run = [](std::int64_t length, std::int64_t id) { return at::full({length}, id, at::kLong); };
  return at::cat({run(3, 0), run(61, 1), run(70, 2), run(66, 3)}).expand({kBatch, kLength}).contiguous();
}

struct Setting {
  std::int64_t dk, dv;
  bool several, continues;
};

const std::vector<Setting> kSettings = {
    {64, 64, false, false}, {64, 64, true, true}, {128, 128, true, false}, {24, 40, true, true}};

using Recur =
    std::function<ops::Recurrence(const Tensors& qkvr, const ops::RecurrentStates& states, const at::Tensor& origin)>;

/// Output and final state in one tensor, so that gradients of both are checked.
Op joined(const Recur& recur, const Setting& setting) {
  return [=](const Tensors& t) {
    const at::Tensor origin =
        setting.several ? ops::document_origin(documents(), setting.continues).to(t[0].device()) : at::Tensor();
    ops::RecurrentStates states;
    if (setting.continues) states.incoming = t[4];
    if (setting.several) states.fresh = t[5];
    const ops::Recurrence out = recur(t, states, origin);
    return at::cat({out.y.flatten(), out.state.flatten().to(out.y.scalar_type())});
  };
}

std::vector<Input> inputs(const Setting& s, std::int64_t key_heads, const at::Tensor& rate) {
  const auto unit = [&](std::uint64_t seed) {
    return ops::l2_norm_reference(random_normal({kBatch, kLength, key_heads, s.dk}, seed), 1e-6);
  };
  return {{unit(1)},
          {unit(2)},
          {random_normal({kBatch, kLength, kHeads, s.dv}, 3)},
          {rate, true},
          {random_normal({kBatch, kHeads, s.dk, s.dv}, 5), true},
          {random_normal({1, kHeads, s.dk, s.dv}, 6), true}};
}

ops::DocumentChunks chunks_of(const at::Tensor& origin) {
  return origin.defined() ? ops::document_chunks(origin, kChunk) : ops::DocumentChunks();
}

TEST(DeltaRuleOnGpu, AgreesWithTheTokenLoop) {
  INGOT_NEEDS_GPU();
  for (const Setting& s : kSettings) {
    SCOPED_TRACE(::testing::Message() << s.dk << " x " << s.dv << ", documents " << s.several << s.continues);
    const Recur chunked = [](const Tensors& t, const ops::RecurrentStates& states, const at::Tensor& origin) {
      return ops::chunk_delta_rule(t[0], t[1], t[2], t[3], states, chunks_of(origin), kChunk);
    };
    const Recur looped = [](const Tensors& t, const ops::RecurrentStates& states, const at::Tensor& origin) {
      return ops::delta_rule_reference(t[0], t[1], t[2], t[3], states, origin);
    };
    const at::Tensor beta = at::sigmoid(random_normal({kBatch, kLength, kHeads}, 4));
    expect_alike(joined(chunked, s), joined(looped, s), inputs(s, kHeads, beta), s.dk * kLength);
  }
}

TEST(SsdOnGpu, AgreesWithTheTokenLoop) {
  INGOT_NEEDS_GPU();
  for (const Setting& s : kSettings) {
    SCOPED_TRACE(::testing::Message() << s.dk << " x " << s.dv << ", documents " << s.several << s.continues);
    const Recur chunked = [](const Tensors& t, const ops::RecurrentStates& states, const at::Tensor& origin) {
      return ops::chunk_ssd(t[0], t[1], t[2], t[3], states, chunks_of(origin), kChunk);
    };
    const Recur looped = [](const Tensors& t, const ops::RecurrentStates& states, const at::Tensor& origin) {
      return ops::ssd_reference(t[0], t[1], t[2], t[3], states, origin);
    };
    const at::Tensor g = -at::softplus(random_normal({kBatch, kLength, kHeads}, 4));
    expect_alike(joined(chunked, s), joined(looped, s), inputs(s, 2, g), s.dk * kLength);
  }
}

}  // namespace
}  // namespace ingot::testing
