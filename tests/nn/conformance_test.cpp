// What every norm, activation, position encoding and feed-forward of the registry must do.

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/random.h"
#include "nn/harness.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

const std::vector<at::ScalarType> kTypes = {at::kDouble, at::kFloat, at::kBFloat16};

/// "entry/sample" of a family.
template <class E>
std::vector<std::string> cases() {
  std::vector<std::string> out;
  const Family<E>& family = nn_families().get<E>();
  for (const std::string& name : family.names()) {
    const E& entry = family.at(name);
    for (const Sample& sample : samples_of(entry, entry.samples)) out.push_back(name + "/" + sample.name);
  }
  return out;
}

std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}

/// Entry and settings of a case.
template <class E>
struct Case {
  const E& entry;
  std::shared_ptr<const ConfigObject> settings;

  explicit Case(const std::string& text) : entry(nn_families().get<E>().at(text.substr(0, text.find('/')))) {
    for (const Sample& sample : samples_of(entry, entry.samples)) {
      if (entry.name + "/" + sample.name == text) settings = sample.settings;
    }
  }
};

/// Rows of very different sizes, exact in `dtype`.
at::Tensor rows(at::ScalarType dtype, std::uint64_t seed = 1) {
  const at::Tensor size = at::arange(-3, 3, at::kDouble).exp().view({2, 3, 1});
  return (random_normal({2, 3, kModel}, seed) * size).to(dtype);
}

class NormConformance : public ::testing::TestWithParam<std::string> {};

struct BuiltNorm {
  std::unique_ptr<Norm> module;
  std::unique_ptr<Harness> harness;

  BuiltNorm(const Case<NormEntry>& c, at::ScalarType dtype) {
    harness = std::make_unique<Harness>(dtype, [&](const ParamScope& scope) {
      module = c.entry.make(*c.settings, {scope, kModel, 1, Site::kInput, 0, 1});
    });
  }
  at::Tensor operator()(const at::Tensor& x) const { return module ? module->forward(x) : x; }
};

TEST_P(NormConformance, ItsGainStartsWhereThePlacementSays) {
  const Case<NormEntry> c(GetParam());
  const auto gain = [&](double start) {
    const Harness harness(at::kDouble, [&](const ParamScope& scope) {
      NormContext context{scope, kModel, 1, Site::kOutput, 0, 1};
      context.gain_start = start;
      const auto norm = c.entry.make(*c.settings, context);
    });
    at::Tensor value;
    for (const Master& master : harness.store().masters()) {
      if (master.name != "m.gain") continue;
      value = at::empty(master.shape, at::kDouble);
      RandomStream random(1);
      master.param->fixed_init(value, *master.param, random);
    }
    return value;
  };
  const at::Tensor usual = gain(1);
  EXPECT_EQ(usual.defined(), c.entry.has_gain);
  if (!c.entry.has_gain) return;
  // 1 + gain in zero-centred norms.
  const double offset = usual.eq(0).all().item<bool>() ? 1 : 0;
  EXPECT_TRUE(close(gain(0.25) + offset, (usual + offset) / 4, Tolerance::of(at::kDouble)));
}

TEST_P(NormConformance, AgreesWithReference) {
  const Case<NormEntry> c(GetParam());
  for (const at::ScalarType dtype : kTypes) {
    const BuiltNorm norm(c, dtype);
    const at::Tensor x = rows(dtype);
    const at::Tensor y = norm(x);
    const at::Tensor expected = c.entry.reference(*c.settings, x.to(at::kDouble), norm.harness->params());
    EXPECT_TRUE(close(y, expected, Tolerance::of(dtype).reduction(kModel))) << dtype;
  }
}

TEST_P(NormConformance, GradientsMatchDifferences) {
  const Case<NormEntry> c(GetParam());
  const BuiltNorm norm(c, at::kDouble);
  const auto f = [&](const std::vector<at::Tensor>& in) { return std::vector<at::Tensor>{norm(in[0])}; };
  EXPECT_TRUE(gradcheck(f, {rows(at::kDouble)}, norm.harness->checked()));
}

TEST_P(NormConformance, TakesStridedRows) {
  const Case<NormEntry> c(GetParam());
  const BuiltNorm norm(c, at::kFloat);
  const at::Tensor wide = random_normal({2, 5, 2 * kModel}, 3, at::kFloat);
  const at::Tensor part = wide.narrow(2, kModel / 2, kModel);
  EXPECT_TRUE(same_bits(norm(part), norm(part.contiguous())));
  const at::Tensor turned = random_normal({5, 2, kModel}, 4, at::kFloat).transpose(0, 1);
  EXPECT_TRUE(same_bits(norm(turned).contiguous(), norm(turned.contiguous())));
}

TEST_P(NormConformance, UsesAllItsParameters) {
  const Case<NormEntry> c(GetParam());
  const BuiltNorm norm(c, at::kDouble);
  EXPECT_EQ(norm.harness->unused_in(norm(rows(at::kDouble))), std::vector<std::string>());
}

INSTANTIATE_TEST_SUITE_P(Norms, NormConformance, ::testing::ValuesIn(cases<NormEntry>()), test_name);

class ActivationConformance : public ::testing::TestWithParam<std::string> {};

TEST_P(ActivationConformance, AgreesWithReference) {
  const Case<ActivationEntry> c(GetParam());
  const auto activation = c.entry.make(*c.settings);
  for (const at::ScalarType dtype : kTypes) {
    const at::Tensor x = (3 * random_normal({4, 50}, 5)).to(dtype);
    const at::Tensor exact = x.to(at::kDouble);
    const at::Tensor terms = c.entry.terms ? c.entry.terms(*c.settings, exact) : at::Tensor();
    EXPECT_TRUE(close(activation->forward(x), c.entry.reference(*c.settings, exact), Tolerance::of(dtype), terms));
  }
}

TEST_P(ActivationConformance, GradientsMatchDifferences) {
  const Case<ActivationEntry> c(GetParam());
  const auto activation = c.entry.make(*c.settings);
  const auto f = [&](const std::vector<at::Tensor>& in) { return std::vector<at::Tensor>{activation->forward(in[0])}; };
  EXPECT_TRUE(gradcheck(f, {random_normal({4, 50}, 6)}));
}

INSTANTIATE_TEST_SUITE_P(Activations, ActivationConformance, ::testing::ValuesIn(cases<ActivationEntry>()), test_name);

class FfnConformance : public ::testing::TestWithParam<std::string> {};

TEST_P(FfnConformance, AgreesWithReference) {
  const Case<FfnEntry> c(GetParam());
  for (const at::ScalarType dtype : kTypes) {
    const Built<Ffn> ffn = build_ffn(c.entry.name, *c.settings, dtype);
    const at::Tensor x = random_normal({2, 5, kModel}, 7).to(dtype);
    const at::Tensor y = ffn.module->forward(x, plain_context(2, 5));
    EXPECT_EQ(y.sizes(), x.sizes());
    const at::Tensor expected = c.entry.reference(*c.settings, x.to(at::kDouble), ffn.harness->params());
    EXPECT_TRUE(close(y, expected, Tolerance::of(dtype).reduction(3 * kModel).chain(3))) << dtype;
  }
}

TEST_P(FfnConformance, GradientsMatchDifferences) {
  const Case<FfnEntry> c(GetParam());
  const Built<Ffn> ffn = build_ffn(c.entry.name, *c.settings, at::kDouble);
  const auto f = [&](const std::vector<at::Tensor>& in) {
    return std::vector<at::Tensor>{ffn.module->forward(in[0], plain_context(2, 5))};
  };
  EXPECT_TRUE(gradcheck(f, {random_normal({2, 5, kModel}, 8)}, ffn.harness->checked()));
}

TEST_P(FfnConformance, SelectiveRecomputeChangesNothing) {
  const Case<FfnEntry> c(GetParam());
  const auto run = [&](Recompute recompute) {
    const Built<Ffn> ffn = build_ffn(c.entry.name, *c.settings, at::kFloat, recompute);
    const at::Tensor x = random_normal({2, 5, kModel}, 11).to(at::kFloat).requires_grad_(true);
    const at::Tensor y = ffn.module->forward(x, plain_context(2, 5));
    (y * random_normal({2, 5, kModel}, 12).to(at::kFloat)).sum().backward();
    return std::vector<at::Tensor>{y.detach(), x.grad(), ffn.harness->grads()};
  };
  const std::vector<at::Tensor> kept = run(Recompute::kNone), again = run(Recompute::kSelective);
  for (std::size_t i = 0; i < kept.size(); ++i) EXPECT_TRUE(at::equal(kept[i], again[i])) << i;
}

TEST_P(FfnConformance, UsesAllItsParameters) {
  const Case<FfnEntry> c(GetParam());
  const Built<Ffn> ffn = build_ffn(c.entry.name, *c.settings, at::kDouble);
  const at::Tensor y = ffn.module->forward(random_normal({2, 5, kModel}, 8), plain_context(2, 5));
  EXPECT_EQ(ffn.harness->unused_in(y), std::vector<std::string>());
}

TEST_P(FfnConformance, MarksWhatTouchesTheStream) {
  const Case<FfnEntry> c(GetParam());
  const Built<Ffn> ffn = build_ffn(c.entry.name, *c.settings, at::kFloat);
  for (const ParamInfo* info : ffn.harness->store().parameters()) {
    if (info->shape.size() != 2) continue;
    const bool reads = info->roles.has(Role::kReadsStream);
    EXPECT_NE(reads, info->roles.has(Role::kWritesStream)) << info->name;
    EXPECT_EQ(info->hidden_axis, reads ? 1 : 0) << info->name;
    EXPECT_FALSE(info->part.empty()) << info->name;
  }
}

INSTANTIATE_TEST_SUITE_P(Ffns, FfnConformance, ::testing::ValuesIn(cases<FfnEntry>()), test_name);

class PositionConformance : public ::testing::TestWithParam<std::string> {
 protected:
  static constexpr std::int64_t kHeadDim = 8;

  /// Makes it where it may act; false at_embedding: inside attention.
  static Harness build(const Case<PositionEntry>& c, at::ScalarType dtype, std::unique_ptr<Position>& module,
                       bool& at_embedding) {
    return Harness(dtype, [&](const ParamScope& scope) {
      at_embedding = false;
      try {
        module = c.entry.make(*c.settings, {scope, kModel, kHeadDim, 64, false});
      } catch (const ConfigError&) {
        at_embedding = true;
        module = c.entry.make(*c.settings, {scope, kModel, 0, 64, true});
      }
    });
  }
  static at::Tensor apply(const Position* p, const at::Tensor& x, const SequenceContext& context, bool at_embedding) {
    if (p == nullptr) return x;
    return at_embedding ? p->embed(x, context) : p->rotate(x, context);
  }
  static at::Tensor input(bool at_embedding, at::ScalarType dtype) {
    return at_embedding ? random_normal({2, 6, kModel}, 9).to(dtype) : random_normal({2, 6, 3, kHeadDim}, 9).to(dtype);
  }
};

TEST_P(PositionConformance, AgreesWithReference) {
  const Case<PositionEntry> c(GetParam());
  for (const at::ScalarType dtype : kTypes) {
    std::unique_ptr<Position> module;
    bool at_embedding = false;
    Harness harness = build(c, dtype, module, at_embedding);
    const at::Tensor x = input(at_embedding, dtype);
    for (const SequenceContext& context :
         {plain_context(2, 6, 20), document_context(documents_of({{2, 4}, {1, 5}}), 7)}) {
      const at::Tensor y = apply(module.get(), x, context, at_embedding);
      const at::Tensor expected = c.entry.reference(*c.settings, x.to(at::kDouble), context.position, harness.params());
      EXPECT_TRUE(close(y, expected, Tolerance::of(dtype))) << dtype;
    }
  }
}

TEST_P(PositionConformance, GradientsMatchDifferences) {
  const Case<PositionEntry> c(GetParam());
  std::unique_ptr<Position> module;
  bool at_embedding = false;
  Harness harness = build(c, at::kDouble, module, at_embedding);
  const SequenceContext context = document_context(documents_of({{2, 4}, {1, 5}}), 7);
  const auto f = [&](const std::vector<at::Tensor>& in) {
    return std::vector<at::Tensor>{apply(module.get(), in[0], context, at_embedding)};
  };
  EXPECT_TRUE(gradcheck(f, {input(at_embedding, at::kDouble)}, harness.checked()));
}

TEST_P(PositionConformance, UsesAllItsParameters) {
  const Case<PositionEntry> c(GetParam());
  std::unique_ptr<Position> module;
  bool at_embedding = false;
  Harness harness = build(c, at::kDouble, module, at_embedding);
  const at::Tensor y = apply(module.get(), input(at_embedding, at::kDouble), plain_context(2, 6, 20), at_embedding);
  EXPECT_EQ(harness.unused_in(y), std::vector<std::string>());
}

INSTANTIATE_TEST_SUITE_P(Positions, PositionConformance, ::testing::ValuesIn(cases<PositionEntry>()), test_name);

}  // namespace
}  // namespace ingot::testing
