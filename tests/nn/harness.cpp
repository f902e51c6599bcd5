#include "nn/harness.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>

#include "nn/placement.h"
#include "nn/residual.h"
#include "nn/retention.h"
#include "nn/score.h"
#include "params/weights_config.h"

namespace ingot::testing {

const Families& nn_families() {
  static const std::unique_ptr<const Families> kFamilies = [] {
    auto families = std::make_unique<Families>();
    register_all_norms(families->add<NormEntry>());
    register_all_activations(families->add<ActivationEntry>());
    register_all_positions(families->add<PositionEntry>());
    register_all_linears(families->add<LinearEntry>());
    register_all_scores(families->add<ScoreEntry>());
    Family<MixerEntry>& mixers = families->add<MixerEntry>();
    register_all_mixers(mixers);
    register_retention(mixers);
    register_all_ffns(families->add<FfnEntry>());
    register_all_residuals(families->add<ResidualEntry>());
    register_all_placements(families->add<PlacementEntry>());
    register_all_parametrizations(families->add<ParametrizationEntry>());
    register_all_constraints(families->add<ConstraintEntry>());
    register_all_inits(families->add<InitEntry>());
    register_all_scalings(families->add<ScalingEntry>());
    return families;
  }();
  return *kFamilies;
}

std::vector<Sample> samples_of(const Entry& entry, const Samples& samples) {
  if (samples) return samples(nn_families());
  return {{"default", entry.defaults}};
}

std::vector<CheckedParameter> Harness::checked() const {
  std::vector<CheckedParameter> list;
  for (const Master& master : store().masters()) list.push_back({master.name, master.value, master.grad});
  return list;
}

std::vector<std::string> Harness::unused_in(const at::Tensor& y) {
  zero_grads();
  if (y.requires_grad()) (y * random_normal(y.sizes().vec(), 41).to(y.scalar_type())).sum().backward();
  std::vector<std::string> names;
  for (const Master& master : store().masters()) {
    if (!master.grad.ne(0).any().item<bool>()) names.push_back(master.name);
  }
  return names;
}

at::Tensor Harness::grads() const {
  std::vector<at::Tensor> parts;
  for (const Master& master : store().masters()) parts.push_back(master.grad.flatten());
  return parts.empty() ? at::Tensor() : at::cat(parts).clone();
}

BranchContext branch_context(const ParamScope& scope, Recompute recompute) {
  auto context = standalone_branch(nn_families(), scope, kModel, 256);
  context.recompute = recompute;
  return context;
}

Built<Mixer> build_mixer(const std::string& name, const ConfigObject& settings, at::ScalarType dtype,
                         Recompute recompute) {
  Built<Mixer> built;
  built.harness = std::make_unique<Harness>(dtype, [&](const ParamScope& scope) {
    built.module = nn_families().get<MixerEntry>().at(name).make(settings, branch_context(scope, recompute));
  });
  return built;
}

Built<Ffn> build_ffn(const std::string& name, const ConfigObject& settings, at::ScalarType dtype, Recompute recompute) {
  Built<Ffn> built;
  built.harness = std::make_unique<Harness>(dtype, [&](const ParamScope& scope) {
    built.module = nn_families().get<FfnEntry>().at(name).make(settings, branch_context(scope, recompute));
  });
  return built;
}

SequenceContext document_context(const at::Tensor& document, std::int64_t prefix, std::int64_t continued) {
  SequenceContext context = plain_context(document.size(0), document.size(1), 0, prefix);
  context.may_reset = true;
  context.document = document;
  at::Tensor position = at::zeros_like(document);
  for (std::int64_t b = 0; b < document.size(0); ++b) {
    std::int64_t next = continued >= 0 ? continued : prefix;
    for (std::int64_t t = 0; t < document.size(1); ++t) {
      const auto id = [&](std::int64_t i) { return document[b][i].item<std::int64_t>(); };
      const bool begins = t == 0 ? continued >= 0 && id(0) > 0 : id(t) != id(t - 1);
      if (begins) next = prefix;
      position[b][t].fill_(next++);
    }
  }
  context.position = position;
  return context;
}

at::Tensor documents_of(const std::vector<std::vector<std::int64_t>>& lengths) {
  std::vector<at::Tensor> rows;
  for (const auto& row : lengths) {
    std::vector<at::Tensor> parts;
    for (std::size_t i = 0; i < row.size(); ++i)
      parts.push_back(at::full({row[i]}, static_cast<std::int64_t>(i), at::kLong));
    rows.push_back(at::cat(parts));
  }
  return at::stack(rows);
}

}  // namespace ingot::testing
