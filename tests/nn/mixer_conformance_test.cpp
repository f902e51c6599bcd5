// What every mixer of the registry must do.

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include "nn/harness.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

constexpr std::int64_t kLength = 37;  // no multiple of a chunk
constexpr std::int64_t kBatch = 2;

std::vector<std::string> cases() {
  std::vector<std::string> out;
  const Family<MixerEntry>& family = nn_families().get<MixerEntry>();
  for (const std::string& name : family.names()) {
    for (const Sample& sample : samples_of(family.at(name), family.at(name).samples)) {
      out.push_back(name + "/" + sample.name);
    }
  }
  return out;
}

std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '/', '_');
  return name;
}

at::Tensor input(std::int64_t length = kLength, std::uint64_t seed = 11) {
  return random_normal({kBatch, length, kModel}, seed);
}

at::Tensor documents() { return documents_of({{5, 1, 17, 14}, {20, 16, 1}}); }

/// Sums many roundings: the projections, the recurrence over the tokens, the norm and the last projection.
Tolerance tolerance(at::ScalarType dtype) { return Tolerance::of(dtype).reduction(kModel * kLength).chain(6); }

class MixerConformance : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const std::string text = GetParam();
    entry_ = &nn_families().get<MixerEntry>().at(text.substr(0, text.find('/')));
    for (const Sample& sample : samples_of(*entry_, entry_->samples)) {
      if (entry_->name + "/" + sample.name == text) settings_ = sample.settings;
    }
    ASSERT_NE(settings_, nullptr);
  }

  Built<Mixer> build(at::ScalarType dtype = at::kDouble) const { return build_mixer(entry_->name, *settings_, dtype); }

  const MixerEntry* entry_ = nullptr;
  std::shared_ptr<const ConfigObject> settings_;
};

TEST_P(MixerConformance, AgreesWithReference) {
  for (const at::ScalarType dtype : {at::kDouble, at::kFloat, at::kBFloat16}) {
    const Built<Mixer> mixer = build(dtype);
    const ParamMap params = mixer.harness->params();
    const at::Tensor x = input().to(dtype);
    for (const at::Tensor& document : {at::Tensor(), documents()}) {
      const SequenceContext context = document.defined() ? document_context(document) : plain_context(kBatch, kLength);
      const at::Tensor y = mixer.module->forward(x, context, {});
      const at::Tensor expected = entry_->reference(*settings_, x.to(at::kDouble), params, document);
      EXPECT_EQ(y.scalar_type(), dtype);
      EXPECT_TRUE(close(y, expected, tolerance(dtype))) << dtype << (document.defined() ? " documents" : "");
    }
  }
}

TEST_P(MixerConformance, TakesAnyLength) {
  const Built<Mixer> mixer = build();
  for (const std::int64_t length : {1, 2, 3, 16, 64, 65, 130}) {
    const at::Tensor x = input(length);
    const at::Tensor y = mixer.module->forward(x, plain_context(kBatch, length), {});
    const at::Tensor expected = entry_->reference(*settings_, x, mixer.harness->params(), {});
    EXPECT_TRUE(close(y, expected, tolerance(at::kDouble))) << length;
  }
}

TEST_P(MixerConformance, GradientsMatchDifferences) {
  const Built<Mixer> mixer = build();
  for (const bool reset : {false, true}) {
    const SequenceContext context = reset ? document_context(documents()) : plain_context(kBatch, kLength);
    const auto f = [&](const std::vector<at::Tensor>& in) {
      return std::vector<at::Tensor>{mixer.module->forward(in[0], context, {})};
    };
    EXPECT_TRUE(gradcheck(f, {input()}, mixer.harness->checked())) << (reset ? "documents" : "");
  }
}

TEST_P(MixerConformance, IsCausal) {
  const Built<Mixer> mixer = build();
  const at::Tensor x = input();
  const at::Tensor y = mixer.module->forward(x, plain_context(kBatch, kLength), {});
  for (const std::int64_t t : {0, 9, 20, 36}) {
    at::Tensor other = x.clone();
    other.select(1, t).add_(1);
    const at::Tensor z = mixer.module->forward(other, plain_context(kBatch, kLength), {});
    EXPECT_TRUE(close(z.narrow(1, 0, t), y.narrow(1, 0, t), Tolerance::of(at::kDouble))) << t;
    EXPECT_GT(relative_error(z.select(1, t), y.select(1, t)), 1e-6) << t;
  }
}

TEST_P(MixerConformance, DocumentsDoNotLeak) {
  const Built<Mixer> mixer = build();
  const at::Tensor x = input();
  const SequenceContext context = document_context(documents());
  const at::Tensor y = mixer.module->forward(x, context, {});
  at::Tensor other = x.clone();
  other[0].narrow(0, 6, 17).add_(1);   // the third document of row 0
  other[1].narrow(0, 0, 20).mul_(-2);  // the first of row 1
  const at::Tensor z = mixer.module->forward(other, context, {});
  for (const auto& [row, first, count] :
       std::vector<std::array<std::int64_t, 3>>{{0, 0, 6}, {0, 23, 14}, {1, 20, 17}}) {
    EXPECT_TRUE(close(z[row].narrow(0, first, count), y[row].narrow(0, first, count), tolerance(at::kDouble)))
        << row << " " << first;
  }
}

TEST_P(MixerConformance, DocumentsEqualSeparateSequences) {
  const Built<Mixer> mixer = build();
  const at::Tensor x = input();
  const std::vector<std::vector<std::int64_t>> lengths = {{5, 1, 17, 14}, {20, 16, 1}};
  const at::Tensor y = mixer.module->forward(x, document_context(documents_of(lengths)), {});
  for (std::size_t row = 0; row < lengths.size(); ++row) {
    std::int64_t first = 0;
    for (const std::int64_t length : lengths[row]) {
      const auto b = static_cast<std::int64_t>(row);
      const at::Tensor alone =
          mixer.module->forward(x.narrow(0, b, 1).narrow(1, first, length), plain_context(1, length), {});
      EXPECT_TRUE(close(y.narrow(0, b, 1).narrow(1, first, length), alone, tolerance(at::kDouble)))
          << row << " " << first;
      first += length;
    }
  }
}

TEST_P(MixerConformance, StepEqualsParallel) {
  for (const at::ScalarType dtype : {at::kDouble, at::kBFloat16}) {
    const at::NoGradGuard no_grad;
    const Built<Mixer> mixer = build(dtype);
    const at::Tensor x = input(100).to(dtype);
    const at::Tensor expected = entry_->reference(*settings_, x.to(at::kDouble), mixer.harness->params(), {});
    MixerState state = mixer.module->make_state(kBatch);
    for (std::int64_t t = 0; t < 100; ++t) {
      const at::Tensor y = mixer.module->step(x.narrow(1, t, 1), plain_context(kBatch, 1, t), state);
      ASSERT_TRUE(close(y, expected.narrow(1, t, 1), tolerance(dtype))) << dtype << " token " << t;
    }
  }
}

TEST_P(MixerConformance, SplitSequenceEqualsWhole) {
  const Built<Mixer> mixer = build();
  const at::Tensor x = input();
  const at::Tensor y = mixer.module->forward(x, plain_context(kBatch, kLength), {});
  for (const std::int64_t first : {1, 2, 16, 30}) {
    MixerState middle, end, whole;
    StateFlow flow;
    flow.final = &middle;
    const at::Tensor a = mixer.module->forward(x.narrow(1, 0, first), plain_context(kBatch, first), flow);
    flow.incoming = &middle;
    flow.final = &end;
    const at::Tensor b =
        mixer.module->forward(x.narrow(1, first, kLength - first), plain_context(kBatch, kLength - first, first), flow);
    EXPECT_TRUE(close(at::cat({a, b}, 1), y, tolerance(at::kDouble))) << first;
    // The states agree in what they lead to.
    StateFlow once;
    once.final = &whole;
    mixer.module->forward(x, plain_context(kBatch, kLength), once);
    const at::NoGradGuard no_grad;
    const at::Tensor next = input(1, 12);
    const at::Tensor from_end = mixer.module->step(next, plain_context(kBatch, 1, kLength), end);
    const at::Tensor from_whole = mixer.module->step(next, plain_context(kBatch, 1, kLength), whole);
    EXPECT_TRUE(close(from_end, from_whole, tolerance(at::kDouble))) << first;
  }
}

/// Meta tokens in front of every row, run once as a batch of one, against the concatenated sequence.
TEST_P(MixerConformance, PrefixStateEqualsConcatenation) {
  constexpr std::int64_t kPrefix = 6;
  const Built<Mixer> mixer = build();
  const at::Tensor upstream = random_normal({kBatch, kLength, kModel}, 13);
  const auto run = [&](bool concatenated) {
    const at::Tensor x = input().requires_grad_(true);
    const at::Tensor meta = random_normal({1, kPrefix, kModel}, 14).requires_grad_(true);
    mixer.harness->zero_grads();
    at::Tensor y;
    if (concatenated) {
      const at::Tensor all = at::cat({meta.expand({kBatch, kPrefix, kModel}), x}, 1);
      y = mixer.module->forward(all, plain_context(kBatch, kPrefix + kLength), {}).narrow(1, kPrefix, kLength);
    } else {
      MixerState fresh;
      StateFlow prefix_flow, flow;
      prefix_flow.final = &fresh;
      mixer.module->forward(meta, plain_context(1, kPrefix), prefix_flow);
      flow.fresh = &fresh;
      y = mixer.module->forward(x, plain_context(kBatch, kLength, kPrefix, kPrefix), flow);
    }
    (y * upstream).sum().backward();
    return std::vector<at::Tensor>{y.detach(), x.grad(), meta.grad(), mixer.harness->grads()};
  };
  // The concatenated run has no notion of a prefix, so a rule that singles it out cannot be compared in this way.
  if (GetParam() == "attention/window_and_prefix") GTEST_SKIP() << "compared in attention_test";
  const std::vector<at::Tensor> expected = run(true), actual = run(false);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_TRUE(close(actual[i], expected[i], tolerance(at::kDouble))) << i;
  }
}

/// Every document after the prefix: as if each had its own copy.
TEST_P(MixerConformance, PrefixPrecedesEveryDocument) {
  constexpr std::int64_t kPrefix = 3;
  const Built<Mixer> mixer = build();
  const at::Tensor x = input(), meta = random_normal({1, kPrefix, kModel}, 15);
  MixerState fresh;
  StateFlow prefix_flow, flow;
  prefix_flow.final = &fresh;
  mixer.module->forward(meta, plain_context(1, kPrefix), prefix_flow);
  flow.fresh = &fresh;
  const std::vector<std::vector<std::int64_t>> lengths = {{5, 1, 17, 14}, {20, 16, 1}};
  const at::Tensor y = mixer.module->forward(x, document_context(documents_of(lengths), kPrefix), flow);
  for (std::size_t row = 0; row < lengths.size(); ++row) {
    std::int64_t first = 0;
    for (const std::int64_t length : lengths[row]) {
      const auto b = static_cast<std::int64_t>(row);
      const at::Tensor alone = mixer.module->forward(x.narrow(0, b, 1).narrow(1, first, length),
                                                     plain_context(1, length, kPrefix, kPrefix), flow);
      EXPECT_TRUE(close(y.narrow(0, b, 1).narrow(1, first, length), alone, tolerance(at::kDouble)))
          << row << " " << first;
      first += length;
    }
  }
}

TEST_P(MixerConformance, PrefixGradientsMatchDifferences) {
  constexpr std::int64_t kPrefix = 3;
  const Built<Mixer> mixer = build();
  const SequenceContext context = document_context(documents(), kPrefix);
  const auto f = [&](const std::vector<at::Tensor>& in) {
    MixerState fresh;
    StateFlow prefix_flow, flow;
    prefix_flow.final = &fresh;
    const at::Tensor meta = mixer.module->forward(in[1], plain_context(1, kPrefix), prefix_flow);
    flow.fresh = &fresh;
    return std::vector<at::Tensor>{mixer.module->forward(in[0], context, flow), meta};
  };
  EXPECT_TRUE(gradcheck(f, {input(), random_normal({1, kPrefix, kModel}, 16)}, mixer.harness->checked()));
}

/// The values, and the gradients of rows, of the prefix's tokens and of parameters, bit for bit.
TEST_P(MixerConformance, SelectiveRecomputeChangesNothing) {
  constexpr std::int64_t kPrefix = 3;
  const SequenceContext context = document_context(documents(), kPrefix);
  const auto run = [&](Recompute recompute) {
    const Built<Mixer> mixer = build_mixer(entry_->name, *settings_, at::kFloat, recompute);
    const at::Tensor x = input().to(at::kFloat).requires_grad_(true);
    const at::Tensor meta = random_normal({1, kPrefix, kModel}, 16).to(at::kFloat).requires_grad_(true);
    MixerState fresh;
    StateFlow prefix_flow, flow;
    prefix_flow.final = &fresh;
    mixer.module->forward(meta, plain_context(1, kPrefix), prefix_flow);
    flow.fresh = &fresh;
    const at::Tensor y = mixer.module->forward(x, context, flow);
    (y * random_normal({kBatch, kLength, kModel}, 13).to(at::kFloat)).sum().backward();
    return std::vector<at::Tensor>{y.detach(), x.grad(), meta.grad(), mixer.harness->grads()};
  };
  const std::vector<at::Tensor> kept = run(Recompute::kNone), again = run(Recompute::kSelective);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    EXPECT_TRUE(at::equal(kept[i], again[i])) << i;
    EXPECT_TRUE(kept[i].abs().sum().item<double>() > 0) << i;
  }
}

/// Rows with several documents, cut in two: document 0 of the second half goes on where the first half ended.
TEST_P(MixerConformance, DocumentsContinueAcrossCalls) {
  constexpr std::int64_t kPrefix = 3, kFirst = 18;
  const Built<Mixer> mixer = build();
  const at::Tensor x = input(), meta = random_normal({1, kPrefix, kModel}, 17);
  MixerState fresh, middle;
  StateFlow prefix_flow, flow;
  prefix_flow.final = &fresh;
  mixer.module->forward(meta, plain_context(1, kPrefix), prefix_flow);
  flow.fresh = &fresh;
  const SequenceContext whole = document_context(documents(), kPrefix);
  const at::Tensor y = mixer.module->forward(x, whole, flow);

  // Row 0 is cut within its third document, row 1 within its first.
  const auto part = [&](std::int64_t first, std::int64_t count, bool restart) {
    SequenceContext context = whole;
    context.cache = std::make_shared<SequenceCache>();
    context.seq_len = count;
    context.position = whole.position.narrow(1, first, count);
    context.document = whole.document.narrow(1, first, count);
    if (restart) context.document = context.document - context.document.narrow(1, 0, 1);
    return context;
  };
  flow.final = &middle;
  const at::Tensor a = mixer.module->forward(x.narrow(1, 0, kFirst), part(0, kFirst, false), flow);
  flow.incoming = &middle;
  flow.final = nullptr;
  const at::Tensor b =
      mixer.module->forward(x.narrow(1, kFirst, kLength - kFirst), part(kFirst, kLength - kFirst, true), flow);
  EXPECT_TRUE(close(at::cat({a, b}, 1), y, tolerance(at::kDouble)));
}

/// A state of one row, spread over several that then see different tokens.
TEST_P(MixerConformance, ExpandedStatesMoveApart) {
  const at::NoGradGuard no_grad;
  const Built<Mixer> mixer = build();
  MixerState start;
  StateFlow flow;
  flow.final = &start;
  const at::Tensor meta = random_normal({1, 6, kModel}, 18), x = input(4);
  mixer.module->forward(meta, plain_context(1, 6), flow);
  MixerState both = mixer.module->expand_state(start, kBatch);
  std::vector<at::Tensor> together;
  for (std::int64_t t = 0; t < 4; ++t) {
    together.push_back(mixer.module->step(x.narrow(1, t, 1), plain_context(kBatch, 1, 6 + t), both));
  }
  for (std::int64_t b = 0; b < kBatch; ++b) {
    MixerState alone = mixer.module->expand_state(start, 1);
    for (std::int64_t t = 0; t < 4; ++t) {
      const at::Tensor y = mixer.module->step(x.narrow(0, b, 1).narrow(1, t, 1), plain_context(1, 1, 6 + t), alone);
      EXPECT_TRUE(close(together[static_cast<std::size_t>(t)].narrow(0, b, 1), y, tolerance(at::kDouble)))
          << b << " " << t;
    }
  }
}

TEST_P(MixerConformance, UsesAllItsParameters) {
  const Built<Mixer> mixer = build();
  const at::Tensor y = mixer.module->forward(input(), plain_context(kBatch, kLength), {});
  EXPECT_EQ(mixer.harness->unused_in(y), std::vector<std::string>());
}

TEST_P(MixerConformance, MarksWhatTouchesTheStream) {
  const Built<Mixer> mixer = build(at::kFloat);
  for (const ParamInfo* info : mixer.harness->store().parameters()) {
    if (!info->roles.any(matrix_roles())) continue;
    const bool reads = info->roles.has(Role::kReadsStream);
    EXPECT_NE(reads, info->roles.has(Role::kWritesStream)) << info->name;
    EXPECT_EQ(info->hidden_axis, reads ? 1 : 0) << info->name;
    EXPECT_EQ(info->shape[reads ? 1 : 0], kModel) << info->name;
    EXPECT_FALSE(info->part.empty()) << info->name;
  }
}

TEST_P(MixerConformance, StateBytesMatchTheState) {
  const at::NoGradGuard no_grad;
  const Built<Mixer> mixer = build(at::kFloat);
  MixerState state;
  StateFlow flow;
  flow.incoming = nullptr;
  MixerState start = mixer.module->make_state(kBatch);
  flow.incoming = &start;
  flow.final = &state;
  mixer.module->forward(input().to(at::kFloat), plain_context(kBatch, kLength), flow);
  std::int64_t bytes = 0;
  for (const at::Tensor& tensor : state.tensors) bytes += static_cast<std::int64_t>(tensor.nbytes()) / tensor.size(0);
  EXPECT_EQ(bytes, mixer.module->state_bytes(kLength, 4));
}

INSTANTIATE_TEST_SUITE_P(Mixers, MixerConformance, ::testing::ValuesIn(cases()), test_name);

}  // namespace
}  // namespace ingot::testing
