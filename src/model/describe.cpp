// The model in words: what `plan` shows and what `config diff` compares. Every setting that acts appears here.

#include "base/text.h"
#include "model/model_impl.h"
#include "nn/value_residual.h"
#include "registry/variant_text.h"

namespace ingot {

namespace {

void add_norm(std::vector<std::string>& parts, Site site, int depth, const Variant<NormEntry>* norm) {
  if (norm == nullptr || norm->name() == "none") return;
  const auto more = norm->entry().text ? cat(" (", norm->entry().text(norm->settings(), depth), ")") : "";
  parts.push_back(cat(site_name(site), " ", variant_text(*norm), more));
}

}  // namespace

bool LanguageModel::Impl::mixes_values() const {
  const auto* values = channel->find(ValueResidual::kName);
  return values != nullptr && !values->readers.empty();
}

std::string LanguageModel::Impl::branch_text(int depth) const {
  const auto& op = operator_at(depth);
  const SettingsContext context{config.d_model, config.meta_tokens > 0, mixes_values(),
                                [&](Site site) {
                                  const auto* norm =
                                      norms->choose(site, depth, pattern[static_cast<std::size_t>(depth)]);
                                  return has_site(depth, site) && norm != nullptr && norm->name() != "none";
                                },
                                &families};
  const auto text = [&](auto variant) {
    if (const auto& effective = variant.entry().effective) {
      variant.bind(variant.entry(), effective(variant.settings(), context));
    }
    return variant_text(variant);
  };
  return op.mixer ? text(*op.mixer) : text(*op.ffn);
}

std::vector<std::pair<std::string, std::string>> LanguageModel::describe_layers() const {
  const auto& config = impl_->config;
  std::vector<std::pair<std::string, std::string>> lines;
  std::vector<std::string> start{cat("position ", variant_text(config.position)),
                                 cat("meta tokens ", config.meta_tokens)};
  if (config.embedding_factor == EmbeddingFactor::kSqrtDModel) start.push_back(cat("tokens x ", impl_->sqrt_d_model()));
  if (config.embedding_factor == EmbeddingFactor::kLearned) {
    start.push_back(cat("tokens x a learned number from ", impl_->sqrt_d_model()));
  }
  add_norm(start, Site::kEmbedding, -1, impl_->norms->choose(Site::kEmbedding, -1, ""));
  lines.emplace_back("embedding", join(start, "; "));
  for (std::size_t i = 0; i < impl_->layers.size(); ++i) {
    const auto& layer = impl_->layers[i];
    const int depth = layer.depth;
    std::vector<std::string> parts{impl_->branch_text(depth), impl_->placement->formula(layer.depth)};
    for (const auto& [name, site] : site_names()) {
      if (site != Site::kEmbedding && site != Site::kFinal) add_norm(parts, site, depth, norm_at(site, depth));
    }
    if (layer.mixer) {
      for (const auto& own : layer.mixer->own_norms()) parts.push_back(cat("own ", own));
    }
    if (linear_at(depth).name() != "plain") parts.push_back(cat("linear ", variant_text(linear_at(depth))));
    parts.push_back(cat("residual ", impl_->residual_text));
    if (const auto more = impl_->residual->text(depth); !more.empty()) parts.push_back(more);
    if (layer.input_scale != 1) parts.push_back(cat("input x ", layer.input_scale));
    if (impl_->placement->branch_scale(depth) != 1)
      parts.push_back(cat("branch x ", impl_->placement->branch_scale(depth)));
    if (impl_->placement->skip_scale(depth) != 1) parts.push_back(cat("skip x ", impl_->placement->skip_scale(depth)));
    if (layer.recompute != Recompute::kNone) parts.push_back(cat("recompute ", enum_name(layer.recompute)));
    lines.emplace_back(cat(depth, " ", layer.op), join(parts, "; "));
  }
  std::vector<std::string> end;
  add_norm(end, Site::kFinal, -1, impl_->norms->choose(Site::kFinal, -1, ""));
  end.push_back(config.tie_embeddings ? "head tied" : "head untied");
  if (config.normalise_head) end.push_back("logits divided by the norm of their row");
  if (config.logit_scale) end.push_back("logits times a learned factor of each token");
  lines.emplace_back("head", join(end, "; "));
  return lines;
}

const Variant<NormEntry>* LanguageModel::norm_at(Site site, int depth) const {
  if (depth >= 0 && is_inner_site(site) && !impl_->has_site(depth, site)) return nullptr;
  const auto* norm = impl_->norms->choose(site, depth, depth < 0 ? "" : pattern().at(static_cast<std::size_t>(depth)));
  return norm != nullptr && norm->name() != "none" ? norm : nullptr;
}

bool LanguageModel::follows_model_norm(Site site, int depth) const {
  return norm_at(site, depth) == &impl_->config.norm;
}

const Variant<LinearEntry>& LanguageModel::linear_at(int depth) const {
  const auto& config = impl_->config;
  for (const auto& [name, op] : config.operators) {
    if (name == pattern().at(static_cast<std::size_t>(depth)) && op.linear) return *op.linear;
  }
  return config.linear;
}

double LanguageModel::input_scale(int depth) const { return impl_->placement->input_scale(depth); }

std::vector<std::string> LanguageModel::warnings() const {
  std::vector<std::string> out;
  const auto& placement = impl_->config.placement;
  if (const auto* values = impl_->channel->find(ValueResidual::kName); values != nullptr && values->readers.empty()) {
    out.push_back(cat("model.operators.", pattern().at(static_cast<std::size_t>(values->writer)),
                      ".mixer.value_residual: without effect, since no sub-layer behind ", values->writer, " has one"));
  }
  for (const auto& layer : impl_->layers) {
    const auto lacks = impl_->placement->lacks(layer.depth);
    if (lacks.empty()) continue;
    out.push_back(cat("model.placement: ", placement.name(), " has ", lacks, ", but ",
                      operator_kind(impl_->operator_at(layer.depth)), " (sub-layer ", layer.depth,
                      ") lacks these sites: nothing stands in their place"));
    break;
  }
  const int num_sublayers = this->num_sublayers();
  if (placement.entry().counts_blocks) {
    bool pairs = num_sublayers % 2 == 0;
    for (const auto& layer : impl_->layers) pairs = pairs && (layer.mixer != nullptr) == (layer.depth % 2 == 0);
    if (!pairs) {
      out.push_back(
          cat("model.placement: ", placement.name(),
              " counts blocks of a mixer and an ffn, but model.layers is not made of such pairs: two sub-layers are",
              " taken for a block, whatever they are"));
    }
  }
  for (int depth = 0; depth < num_sublayers; ++depth) {
    const auto* norm = norm_at(Site::kOutput, depth);
    if (norm == nullptr || norm->entry().has_gain || impl_->placement->gain_start(Site::kOutput, depth) == 1) continue;
    out.push_back(cat("model.placement: ", placement.name(), " starts the gain of output norms at ",
                      impl_->placement->gain_start(Site::kOutput, depth), ", but ", norm->name(),
                      " has no gain: the depth factor is lost"));
    break;
  }
  return out;
}

}  // namespace ingot
