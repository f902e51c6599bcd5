#include "model/resolved_model.h"

#include <algorithm>
#include <stdexcept>

#include "base/text.h"
#include "model/model_impl.h"
#include "nn/value_residual.h"
#include "registry/variant_text.h"

namespace ingot {
namespace {

bool same(const AnyVariant& a, const AnyVariant& b) {
  if (a.name() != b.name()) return false;
  return &a.settings() == &b.settings() || field_values(a) == field_values(b);
}

bool same_norms(const std::vector<ResolvedNorm>& a, const std::vector<ResolvedNorm>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const ResolvedNorm& x, const ResolvedNorm& y) {
    return x.site == y.site && same(x.norm, y.norm);
  });
}

bool same_branch(const ResolvedSublayer& a, const ResolvedSublayer& b) {
  if (a.mixer.has_value() != b.mixer.has_value()) return false;
  return a.op == b.op || (a.mixer ? same(*a.mixer, *b.mixer) : same(*a.ffn, *b.ffn));
}

const ResolvedNorm* find_norm(const std::vector<ResolvedNorm>& norms, Site site) {
  const auto found =
      std::find_if(norms.begin(), norms.end(), [&](const ResolvedNorm& norm) { return norm.site == site; });
  return found == norms.end() ? nullptr : &*found;
}

}  // namespace

bool same_work(const ResolvedSublayer& a, const ResolvedSublayer& b) {
  const auto acts = [](double factor) { return factor != 1; };
  return a.recompute == b.recompute && a.residual_work == b.residual_work &&
         acts(a.input_scale) == acts(b.input_scale) && acts(a.branch_scale) == acts(b.branch_scale) &&
         acts(a.skip_scale) == acts(b.skip_scale) && same_norms(a.norms, b.norms) && same(a.linear, b.linear) &&
         same_branch(a, b);
}

const ResolvedSublayer& ResolvedModel::sublayer(int depth) const {
  for (const auto& layer : sublayers) {
    if (layer.depth == depth) return layer;
  }
  throw std::logic_error(cat("the model has no sub-layer ", depth));
}

const ResolvedNorm* ResolvedModel::find(Site site, int depth) const {
  return find_norm(depth < 0 ? norms : sublayer(depth).norms, site);
}

const Variant<NormEntry>* ResolvedModel::norm_at(Site site, int depth) const {
  const auto* found = find(site, depth);
  return found == nullptr ? nullptr : &found->norm;
}

bool ResolvedModel::follows_model_norm(Site site, int depth) const {
  const auto* found = find(site, depth);
  return found != nullptr && found->is_model_norm;
}

std::vector<ResolvedNorm> LanguageModel::Impl::resolve_norms(int depth) const {
  std::vector<ResolvedNorm> found;
  for (const auto& [name, site] : site_names()) {
    if ((site == Site::kEmbedding || site == Site::kFinal) != (depth < 0)) continue;
    if (is_inner_site(site) && !has_site(depth, site)) continue;
    const auto* norm = norms->choose(site, depth, depth < 0 ? "" : pattern[static_cast<std::size_t>(depth)]);
    if (norm != nullptr && norm->name() != "none") found.push_back({site, *norm, norm == &config.norm});
  }
  return found;
}

ResolvedSublayer LanguageModel::Impl::resolve(const SubLayer& layer) const {
  const int depth = layer.depth;
  const auto& op = operator_at(depth);
  ResolvedSublayer out;
  out.depth = depth;
  out.op = layer.op;
  out.norms = resolve_norms(depth);
  const auto* values = channel->find(ValueResidual::kName);
  const bool mixes_values = values != nullptr && !values->readers.empty();
  const SettingsContext context{config.d_model, config.meta_tokens > 0, mixes_values,
                                [&](Site site) { return find_norm(out.norms, site) != nullptr; }, &families};
  const auto acting = [&](auto variant) {
    if (const auto& effective = variant.entry().effective) {
      variant.bind(variant.entry(), effective(variant.settings(), context));
    }
    return variant;
  };
  if (op.mixer) {
    out.mixer = acting(*op.mixer);
    out.own_norms = layer.mixer->own_norms();
  } else {
    out.ffn = acting(*op.ffn);
  }
  out.linear = op.linear ? *op.linear : config.linear;
  out.formula = placement->formula(depth);
  out.input_scale = layer.input_scale;
  out.branch_scale = placement->branch_scale(depth);
  out.skip_scale = placement->skip_scale(depth);
  out.residual_work = residual->kind_of_work(depth);
  out.residual_text = residual->text(depth);
  out.recompute = layer.recompute;
  return out;
}

ResolvedModel LanguageModel::Impl::resolve() const {
  ResolvedModel out;
  out.position = config.position;
  out.meta_tokens = config.meta_tokens;
  if (config.embedding_factor != EmbeddingFactor::kNone) out.embedding_factor = sqrt_d_model();
  out.learns_embedding_factor = config.embedding_factor == EmbeddingFactor::kLearned;
  out.residual = residual_rule;
  out.norms = resolve_norms(-1);
  for (const auto& layer : layers) out.sublayers.push_back(resolve(layer));
  out.logits_factor = options.logits_factor;
  out.tied_head = config.tie_embeddings;
  out.normalised_head = config.normalise_head;
  out.scaled_logits = config.logit_scale;
  return out;
}

const ResolvedModel& LanguageModel::resolved() const { return impl_->resolved; }

}  // namespace ingot
