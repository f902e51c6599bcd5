#include "model/model_config.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "base/text.h"
#include "config/limits.h"
#include "config/reader.h"

namespace ingot {

void describe(Fields& f, OperatorConfig& c) {
  f.field("like", c.like, "name of another operator whose keys this one starts from");
  f.field("mixer", c.mixer, "the token mixer; an operator has a mixer or an ffn");
  f.field("ffn", c.ffn, "the feed-forward");
  f.field("sites", c.sites, "norms of this operator's sites: input, output, stream, q, k, v, head, hidden");
  f.field("recompute", c.recompute,
          "what its backward pass computes again instead of keeping it; train.recompute if absent", Rule{}.layout());
  f.field("linear", c.linear, "the kind of its matrix products; model.linear if absent");
}

void describe(Fields& f, ModelOverride& c) {
  f.field("operator", c.op, "operators that the override is for; absent: all");
  f.field("depth", c.depth, "sub-layers that the override is for, such as 0..3 or 0%..25%; absent: all");
  f.field("sites", c.sites, "norms of the sites that change");
}

void describe(Fields& f, ModelConfig& c) {
  f.field("d_model", c.d_model, "width of the residual stream", Rule{}.required().at_least(1).at_most(limits::kWidth));
  f.field("layers", c.layers, "operator names in order; n x ( … ) repeats", Rule{}.required());
  f.field("operators", c.operators, "the sub-layer types that `layers` names", Rule{}.required());
  f.field("norm", c.norm, "the norm of every site unless the site says otherwise");
  f.field("linear", c.linear, "the kind of the operators' matrix products");
  f.field("placement", c.placement, "which sites have a norm and how a branch joins the stream");
  f.field("residual", c.residual, "the rule by which branches join the stream; absent: the placement's");
  f.field("position", c.position, "position encoding at the embedding");
  f.field("meta_tokens", c.meta_tokens, "learned tokens before every document",
          Rule{}.at_least(0).at_most(limits::kMetaTokens));
  f.field("tie_embeddings", c.tie_embeddings, "whether the head is the embedding");
  f.field("normalise_head", c.normalise_head, "divide every logit by the norm of its row of the head");
  f.field(
      "logit_scale", c.logit_scale,
      "multiply each token's logit by a learned factor of its own, 1 at the start and stored at d_model^-1/2 (nGPT)");
  f.field("vocab_multiple", c.vocab_multiple, "pad the vocabulary to a multiple of this; padding is masked",
          Rule{}.at_least(1).at_most(limits::kWidth));
  f.field("sites", c.sites, "norms of the sites embedding and final");
  f.field("overrides", c.overrides, "norms for part of the model; applied in order, later wins");
}

namespace {

bool is_operator_name(const std::string& name) {
  if (name.empty() || !std::isupper(static_cast<unsigned char>(name[0]))) return false;
  return std::all_of(name.begin() + 1, name.end(), [](unsigned char c) { return std::islower(c) != 0; });
}

bool is_model_site(Site site) { return site == Site::kEmbedding || site == Site::kFinal; }

void validate_sites(const NamedMap<Variant<NormEntry>>& sites, bool of_model, const std::string& path,
                    Problems& problems) {
  std::vector<std::string> allowed;
  for (const auto& [name, site] : site_names()) {
    if (is_model_site(site) == of_model) allowed.push_back(name);
  }
  for (const auto& [name, norm] : sites) {
    if (std::find(allowed.begin(), allowed.end(), name) == allowed.end()) {
      problems.add(cat(path, ".", name), cat("unknown site '", name, "', expected one of ", join(allowed, ", "),
                                             did_you_mean(name, allowed)));
    }
  }
}

void validate_operator(const std::string& name, const OperatorConfig& op, std::int64_t d_model, Problems& problems) {
  const auto path = cat("model.operators.", name);
  if (!is_operator_name(name)) {
    problems.add(path, "an operator's name is a capital and small letters, such as D or Swa");
  }
  if (op.mixer.has_value() == op.ffn.has_value()) {
    problems.add(path, "expected exactly one of 'mixer' and 'ffn'");
  }
  validate_sites(op.sites, false, cat(path, ".sites"), problems);
  if (op.mixer && op.mixer->bound() && op.mixer->entry().validate) {
    for (const auto& [key, message] : op.mixer->entry().validate(op.mixer->settings(), d_model)) {
      problems.add(cat(path, ".mixer.", key), message);
    }
  }
}

}  // namespace

void validate(const ModelConfig& config, Problems& problems) {
  std::vector<std::string> names;
  for (const auto& [name, op] : config.operators) {
    names.push_back(name);
    validate_operator(name, op, config.d_model, problems);
  }
  validate_sites(config.sites, true, "model.sites", problems);
  for (std::size_t i = 0; i < config.overrides.size(); ++i) {
    const auto path = cat("model.overrides.", i);
    validate_sites(config.overrides[i].sites, false, path + ".sites", problems);
    for (const auto& op : config.overrides[i].op) {
      if (std::find(names.begin(), names.end(), op) == names.end()) {
        problems.add(path + ".operator", cat("no operator '", op, "'", did_you_mean(op, names)));
      }
    }
  }
  if (config.layers.empty()) return;
  try {
    expand_pattern(config.layers, names);
  } catch (const ConfigError& error) {
    problems.add("model.layers", error.what());
  }
}

}  // namespace ingot
