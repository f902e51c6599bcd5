// The model in words: what `plan` shows and what `config diff` compares. Every setting that acts appears here.

#include "base/text.h"
#include "config/dump.h"
#include "model/model_impl.h"

namespace ingot {

std::string variant_text(const AnyVariant& variant) {
  if (!variant.bound()) return variant.name();
  const auto settings = variant.settings().clone();
  std::vector<std::string> parts;
  for (const auto& field : flatten_fields([&](Fields& f) { settings->describe_fields(f); })) {
    parts.push_back(cat(field.path, ": ", field.value));
  }
  return parts.empty() ? variant.name() : cat(variant.name(), " {", join(parts, ", "), "}");
}

namespace {

void add_norm(std::vector<std::string>& parts, Site site, int depth, const Variant<NormEntry>* norm) {
  if (norm == nullptr || norm->name() == "none") return;
  const auto more = norm->entry().text ? cat(" (", norm->entry().text(norm->settings(), depth), ")") : "";
  parts.push_back(cat(site_name(site), " ", variant_text(*norm), more));
}

}  // namespace

std::vector<std::pair<std::string, std::string>> LanguageModel::describe_layers() const {
  const auto& config = impl_->config;
  std::vector<std::pair<std::string, std::string>> lines;
  std::vector<std::string> start{cat("position ", variant_text(config.position)),
                                 cat("meta tokens ", config.meta_tokens)};
  add_norm(start, Site::kEmbedding, -1, impl_->norms->choose(Site::kEmbedding, -1, ""));
  lines.emplace_back("embedding", join(start, "; "));
  for (std::size_t i = 0; i < impl_->layers.size(); ++i) {
    const auto& layer = impl_->layers[i];
    const int depth = layer.depth;
    std::vector<std::string> parts{layer.branch, impl_->placement->formula(layer.depth)};
    for (const auto site :
         {Site::kInput, Site::kOutput, Site::kStream, Site::kQ, Site::kK, Site::kV, Site::kHead, Site::kHidden}) {
      const bool inside = site != Site::kInput && site != Site::kOutput && site != Site::kStream;
      if (inside && !impl_->has_site(depth, site)) continue;
      add_norm(parts, site, depth, impl_->norms->choose(site, depth, layer.op));
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
