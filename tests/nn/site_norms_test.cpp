// Norms at the sites inside operators, for every mixer and ffn of the registry.

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "nn/harness.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

constexpr std::int64_t kLength = 21, kBatch = 2;

Tolerance tolerance(at::ScalarType dtype) { return Tolerance::of(dtype).reduction(kModel * kLength).chain(8); }

at::Tensor rms(const at::Tensor& x) { return x / (x.square().mean(-1, true) + 1e-6).sqrt(); }

/// An operator with an rms_norm at the given sites; `asked` are those that it asked for.
template <class Operator, class Entry>
struct WithSites {
  WithSites(const Entry& entry, const ConfigObject& settings, std::set<Site> sites, at::ScalarType dtype = at::kDouble,
            Recompute recompute = Recompute::kNone) {
    const auto norm = configured<NormEntry>("rms_norm");
    harness = std::make_unique<Harness>(dtype, [&](const ParamScope& scope) {
      BranchContext context = branch_context(scope, recompute);
      context.site_norm = [&](Site site, const ParamScope& at, std::int64_t width,
                              std::int64_t heads) -> std::unique_ptr<Norm> {
        asked.insert(site);
        if (!sites.contains(site)) return nullptr;
        return norm.entry().make(norm.settings(), {at, width, heads, site, 0, 1});
      };
      module = entry.make(settings, context);
    });
  }

  std::unique_ptr<Operator> module;
  std::unique_ptr<Harness> harness;
  std::set<Site> asked;
};

/// Gives `to` the weights of `from`, as far as it has such.
template <class Built>
void copy_params(const Built& from, const Built& to) {
  const at::NoGradGuard no_grad;
  const ParamMap params = from.harness->params();
  for (const Master& master : to.harness->store().masters()) master.value.copy_(params.at(master.name.substr(2)));
  to.harness->store().materialise();
}

template <class Entry>
std::vector<std::string> samples_with_sites() {
  std::vector<std::string> out;
  const Family<Entry>& family = nn_families().get<Entry>();
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

template <class Entry>
const Sample& find_sample(const std::string& text, std::vector<Sample>& samples) {
  const Entry& entry = nn_families().get<Entry>().at(text.substr(0, text.find('/')));
  samples = samples_of(entry, entry.samples);
  return *std::find_if(samples.begin(), samples.end(),
                       [&](const Sample& sample) { return entry.name + "/" + sample.name == text; });
}

class MixerSites : public ::testing::TestWithParam<std::string> {
 protected:
  using Built = WithSites<Mixer, MixerEntry>;
  void SetUp() override {
    entry_ = &nn_families().get<MixerEntry>().at(GetParam().substr(0, GetParam().find('/')));
    settings_ = find_sample<MixerEntry>(GetParam(), samples_).settings;
  }
  std::set<Site> sites() const { return {entry_->sites.begin(), entry_->sites.end()}; }
  Built build(at::ScalarType dtype = at::kDouble, Recompute recompute = Recompute::kNone) const {
    return Built(*entry_, *settings_, sites(), dtype, recompute);
  }
  static at::Tensor input(at::ScalarType dtype = at::kDouble) {
    return random_normal({kBatch, kLength, kModel}, 11).to(dtype);
  }

  const MixerEntry* entry_ = nullptr;
  std::vector<Sample> samples_;
  std::shared_ptr<const ConfigObject> settings_;
};

TEST_P(MixerSites, AreThoseThatItDeclares) { EXPECT_EQ(build(at::kFloat).asked, sites()); }

/// The site `head`: what W_o reads of each head, over its root mean square and times the gain.
TEST_P(MixerSites, HeadNormalisesWhatEachHeadGivesToTheLastProduct) {
  ASSERT_TRUE(sites().contains(Site::kHead));
  const Built with(*entry_, *settings_, {Site::kHead}), without(*entry_, *settings_, {});
  const ParamMap params = with.harness->params();
  const at::Tensor gain = params.at("head_norm.gain");
  copy_params(with, without);
  at::Tensor last;
  for (const Master& master : without.harness->store().masters()) {
    if (master.param->roles.has(Role::kWritesStream)) last = master.value;
  }
  ASSERT_TRUE(last.defined());
  const at::NoGradGuard no_grad;
  const at::Tensor out = last.clone();
  // A last matrix that picks channels shows what it reads.
  std::vector<at::Tensor> channels;
  const at::Tensor x = input();
  for (std::int64_t first = 0; first < out.size(1); first += kModel) {
    last.zero_();
    const std::int64_t count = std::min(kModel, out.size(1) - first);
    last.narrow(0, 0, count).narrow(1, first, count).fill_diagonal_(1);
    without.harness->store().materialise();
    channels.push_back(without.module->forward(x, plain_context(kBatch, kLength), {}).narrow(2, 0, count));
  }
  at::Tensor heads = at::cat(channels, 2).unflatten(2, {-1, gain.size(0)});
  at::Tensor scale;  // attention's factor of each head stands behind the norm
  if (const auto found = params.find("head_scale"); found != params.end()) scale = found->second.unsqueeze(-1);
  if (scale.defined()) heads = heads / scale;
  at::Tensor normed = rms(heads) * gain;
  if (scale.defined()) normed = normed * scale;
  const at::Tensor y = with.module->forward(x, plain_context(kBatch, kLength), {});
  EXPECT_TRUE(close(y, at::linear(normed.flatten(2), out), tolerance(at::kDouble)));
}

TEST_P(MixerSites, StepEqualsParallel) {
  const at::NoGradGuard no_grad;
  const at::Tensor x = input(at::kBFloat16).to(at::kDouble);
  for (const at::ScalarType dtype : {at::kDouble, at::kBFloat16}) {
    const Built mixer = build(dtype), exact = build();
    copy_params(mixer, exact);
    const at::Tensor expected = exact.module->forward(x, plain_context(kBatch, kLength), {});
    MixerState state = mixer.module->make_state(kBatch);
    for (std::int64_t t = 0; t < kLength; ++t) {
      const at::Tensor token = x.narrow(1, t, 1).to(dtype);
      const at::Tensor y = mixer.module->step(token, plain_context(kBatch, 1, t), state);
      EXPECT_EQ(y.scalar_type(), dtype);
      ASSERT_TRUE(close(y, expected.narrow(1, t, 1), tolerance(dtype))) << dtype << " token " << t;
    }
  }
}

TEST_P(MixerSites, DocumentsEqualSeparateSequences) {
  const Built mixer = build();
  const at::Tensor x = input();
  const std::vector<std::vector<std::int64_t>> lengths = {{5, 1, 15}, {20, 1}};
  const at::Tensor y = mixer.module->forward(x, document_context(documents_of(lengths)), {});
  for (std::size_t row = 0; row < lengths.size(); ++row) {
    std::int64_t first = 0;
    for (const std::int64_t length : lengths[row]) {
      const auto b = static_cast<std::int64_t>(row);
      const at::Tensor alone =
          mixer.module->forward(x.narrow(0, b, 1).narrow(1, first, length), plain_context(1, length), {});
      EXPECT_TRUE(close(y.narrow(0, b, 1).narrow(1, first, length), alone, tolerance(at::kDouble))) << row;
      first += length;
    }
  }
}

TEST_P(MixerSites, GradientsMatchDifferences) {
  const Built mixer = build();
  const auto f = [&](const std::vector<at::Tensor>& in) {
    return std::vector<at::Tensor>{mixer.module->forward(in[0], plain_context(kBatch, kLength), {})};
  };
  EXPECT_TRUE(gradcheck(f, {input()}, mixer.harness->checked()));
}

TEST_P(MixerSites, SelectiveRecomputeChangesNothing) {
  const auto run = [&](Recompute recompute) {
    const Built mixer = build(at::kFloat, recompute);
    const at::Tensor x = input(at::kFloat).requires_grad_(true);
    const at::Tensor y = mixer.module->forward(x, plain_context(kBatch, kLength), {});
    (y * random_normal({kBatch, kLength, kModel}, 13).to(at::kFloat)).sum().backward();
    return std::vector<at::Tensor>{y.detach(), x.grad(), mixer.harness->grads()};
  };
  const std::vector<at::Tensor> kept = run(Recompute::kNone), again = run(Recompute::kSelective);
  for (std::size_t i = 0; i < kept.size(); ++i) EXPECT_TRUE(at::equal(kept[i], again[i])) << i;
}

INSTANTIATE_TEST_SUITE_P(Mixers, MixerSites, ::testing::ValuesIn(samples_with_sites<MixerEntry>()), test_name);

class FfnSites : public ::testing::TestWithParam<std::string> {};

TEST_P(FfnSites, AreThoseThatItDeclares) {
  const FfnEntry& entry = nn_families().get<FfnEntry>().at(GetParam().substr(0, GetParam().find('/')));
  std::vector<Sample> samples;
  const Sample& sample = find_sample<FfnEntry>(GetParam(), samples);
  const std::set<Site> declared(entry.sites.begin(), entry.sites.end());
  EXPECT_EQ((WithSites<Ffn, FfnEntry>(entry, *sample.settings, {}, at::kFloat).asked), declared);
}

INSTANTIATE_TEST_SUITE_P(Ffns, FfnSites, ::testing::ValuesIn(samples_with_sites<FfnEntry>()), test_name);

}  // namespace
}  // namespace ingot::testing
