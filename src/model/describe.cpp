// The model in words: what `plan` shows and what `config diff` compares. Every setting that acts appears here.

#include "base/text.h"
#include "model/model_impl.h"
#include "nn/value_residual.h"
#include "registry/variant_text.h"

namespace ingot {

namespace {

void add_norm(std::vector<std::string>& parts, Site site, int depth, const Variant<NormEntry>* norm) {
  if (norm == nullptr) return;
  const auto more = norm->entry().text ? cat(" (", norm->entry().text(norm->settings(), depth), ")") : "";
  parts.push_back(cat(site_name(site), " ", variant_text(*norm), more));
}

std::string sublayer_text(const ResolvedModel& model, const ResolvedSublayer& layer) {
  std::vector<std::string> parts{layer.mixer ? variant_text(*layer.mixer) : variant_text(*layer.ffn), layer.formula};
  for (const auto& norm : layer.norms) add_norm(parts, norm.site, layer.depth, &norm.norm);
  for (const auto& own : layer.own_norms) parts.push_back(cat("own ", own));
  if (layer.linear.name() != "plain") parts.push_back(cat("linear ", variant_text(layer.linear)));
  parts.push_back(cat("residual ", variant_text(model.residual)));
  if (!layer.residual_text.empty()) parts.push_back(layer.residual_text);
  if (layer.input_scale != 1) parts.push_back(cat("input x ", layer.input_scale));
  if (layer.branch_scale != 1) parts.push_back(cat("branch x ", layer.branch_scale));
  if (layer.skip_scale != 1) parts.push_back(cat("skip x ", layer.skip_scale));
  if (layer.recompute != Recompute::kNone) parts.push_back(cat("recompute ", enum_name(layer.recompute)));
  return join(parts, "; ");
}

}  // namespace

std::vector<std::pair<std::string, std::string>> describe_layers(const ResolvedModel& model) {
  std::vector<std::pair<std::string, std::string>> lines;
  std::vector<std::string> start{cat("position ", variant_text(model.position)),
                                 cat("meta tokens ", model.meta_tokens)};
  if (model.learns_embedding_factor) {
    start.push_back(cat("tokens x a learned number from ", model.embedding_factor));
  } else if (model.embedding_factor != 1) {
    start.push_back(cat("tokens x ", model.embedding_factor));
  }
  add_norm(start, Site::kEmbedding, -1, model.norm_at(Site::kEmbedding, -1));
  lines.emplace_back("embedding", join(start, "; "));
  for (const auto& layer : model.sublayers) {
    lines.emplace_back(cat(layer.depth, " ", layer.op), sublayer_text(model, layer));
  }
  std::vector<std::string> end;
  add_norm(end, Site::kFinal, -1, model.norm_at(Site::kFinal, -1));
  end.push_back(model.tied_head ? "head tied" : "head untied");
  if (model.normalised_head) end.push_back("logits divided by the norm of their row");
  if (model.logits_factor != 1) end.push_back(cat("logits x ", model.logits_factor));
  if (model.scaled_logits) end.push_back("logits times a learned factor of each token");
  lines.emplace_back("head", join(end, "; "));
  return lines;
}

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
  for (const auto& layer : impl_->layers) {
    const auto* norm = resolved().norm_at(Site::kOutput, layer.depth);
    const double start = impl_->placement->gain_start(Site::kOutput, layer.depth);
    if (norm == nullptr || norm->entry().has_gain || start == 1) continue;
    out.push_back(cat("model.placement: ", placement.name(), " starts the gain of output norms at ", start, ", but ",
                      norm->name(), " has no gain: the depth factor is lost"));
    break;
  }
  return out;
}

}  // namespace ingot
