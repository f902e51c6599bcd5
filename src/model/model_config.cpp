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
  f.field(
      "sites", c.sites,
      "norms of this operator's sites: input, output, stream, and what its mixer (q, k, v, head) or ffn (hidden) has");
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
  f.choice(
      "embedding_factor", c.embedding_factor,
      {{"none", EmbeddingFactor::kNone},
       {"sqrt_d_model", EmbeddingFactor::kSqrtDModel},
       {"learned", EmbeddingFactor::kLearned}},
      "what tokens' embeddings are multiplied with, meta tokens' not: sqrt_d_model, before positions are added (init "
      "small_init brings it), or, with the positions, one learned number that starts there (norms dyt and derf bring "
      "it)");
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

const std::vector<Site>& inner_sites(const OperatorConfig& op) {
  static const std::vector<Site> kNone;
  if (op.mixer && op.mixer->bound()) return op.mixer->entry().sites;
  return op.ffn && op.ffn->bound() ? op.ffn->entry().sites : kNone;
}

bool is_inner_site(Site site) {
  return site == Site::kQ || site == Site::kK || site == Site::kV || site == Site::kHead || site == Site::kHidden;
}

const std::string& operator_kind(const OperatorConfig& op) { return op.mixer ? op.mixer->name() : op.ffn->name(); }

namespace {

/// Whether it has exactly one of mixer and ffn, known to the registry.
bool is_bound(const OperatorConfig& op) {
  if (op.mixer.has_value() == op.ffn.has_value()) return false;
  return op.mixer ? op.mixer->bound() : op.ffn->bound();
}

bool is_operator_name(const std::string& name) {
  if (name.empty() || !std::isupper(static_cast<unsigned char>(name[0]))) return false;
  return std::all_of(name.begin() + 1, name.end(), [](unsigned char c) { return std::islower(c) != 0; });
}

bool is_model_site(Site site) { return site == Site::kEmbedding || site == Site::kFinal; }

std::optional<Site> site_of(const std::string& name) {
  for (const auto& [key, site] : site_names()) {
    if (key == name) return site;
  }
  return std::nullopt;
}

/// Names of the sites of sub-layers that `has` accepts.
template <class F>
std::vector<std::string> names_of_sites(const F& has) {
  std::vector<std::string> names;
  for (const auto& [name, site] : site_names()) {
    if (!is_model_site(site) && has(site)) names.push_back(name);
  }
  return names;
}

/// The sites that an operator has: those around every one, and its own.
std::vector<std::string> sites_of(const OperatorConfig& op) {
  const auto& inner = inner_sites(op);
  return names_of_sites(
      [&](Site site) { return !is_inner_site(site) || std::find(inner.begin(), inner.end(), site) != inner.end(); });
}

/// Reports a name that is no site of the model, or of sub-layers; whether it is one.
bool is_unknown(const std::string& name, bool of_model, const std::vector<std::string>& allowed,
                const std::string& path, Problems& problems) {
  const auto site = site_of(name);
  if (site && is_model_site(*site) == of_model) return false;
  problems.add(cat(path, ".", name),
               cat("unknown site '", name, "', expected one of ", join(allowed, ", "), did_you_mean(name, allowed)));
  return true;
}

void validate_model_sites(const NamedMap<Variant<NormEntry>>& sites, Problems& problems) {
  const std::vector<std::string> allowed = {site_name(Site::kEmbedding), site_name(Site::kFinal)};
  for (const auto& [name, norm] : sites) is_unknown(name, true, allowed, "model.sites", problems);
}

void validate_operator_sites(const OperatorConfig& op, const std::string& path, Problems& problems) {
  const auto allowed = sites_of(op);
  for (const auto& [name, norm] : op.sites) {
    if (is_unknown(name, false, allowed, path, problems) || !is_bound(op)) continue;
    if (std::find(allowed.begin(), allowed.end(), name) != allowed.end()) continue;
    problems.add(cat(path, ".", name),
                 cat(operator_kind(op), " has no site '", name, "', expected one of ", join(allowed, ", ")));
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
  validate_operator_sites(op, cat(path, ".sites"), problems);
  if (op.mixer && op.mixer->bound() && op.mixer->entry().validate) {
    for (const auto& [key, message] : op.mixer->entry().validate(op.mixer->settings(), d_model)) {
      problems.add(cat(path, ".mixer.", key), message);
    }
  }
}

/// The operators of the sub-layers that an override is for, each once.
std::vector<const OperatorConfig*> selected_operators(const ModelConfig& config, const ModelOverride& change,
                                                      const std::vector<std::string>& pattern) {
  std::vector<const OperatorConfig*> out;
  const auto count = static_cast<std::int64_t>(pattern.size());
  for (std::int64_t depth = 0; depth < count; ++depth) {
    const auto& name = pattern[static_cast<std::size_t>(depth)];
    if (!change.op.empty() && std::find(change.op.begin(), change.op.end(), name) == change.op.end()) continue;
    if (change.depth && !change.depth->contains(depth, count)) continue;
    for (const auto& [key, op] : config.operators) {
      if (key == name && std::find(out.begin(), out.end(), &op) == out.end()) out.push_back(&op);
    }
  }
  return out;
}

/// An override that names operators is for each of them; one that names none is for those selected that have the site.
void validate_override(const ModelConfig& config, const ModelOverride& change, const std::vector<std::string>& pattern,
                       const std::string& path, Problems& problems) {
  bool known = true;
  for (const auto& name : change.op) {
    std::vector<std::string> names;
    for (const auto& entry : config.operators) names.push_back(entry.first);
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    problems.add(path + ".operator", cat("no operator '", name, "'", did_you_mean(name, names)));
    known = false;
  }
  const auto all = names_of_sites([](Site) { return true; });
  const auto operators = selected_operators(config, change, pattern);
  if (known && operators.empty() && !pattern.empty()) problems.add(path, "selects no sub-layer of this model");
  for (const auto& [name, norm] : change.sites) {
    if (is_unknown(name, false, all, path + ".sites", problems) || operators.empty()) continue;
    std::vector<std::string> lacking;
    for (const auto* op : operators) {
      const auto sites = sites_of(*op);
      if (is_bound(*op) && std::find(sites.begin(), sites.end(), name) == sites.end()) {
        lacking.push_back(cat(operator_kind(*op), " has ", join(sites, ", ")));
      }
    }
    if (lacking.empty() || (change.op.empty() && lacking.size() < operators.size())) continue;
    problems.add(cat(path, ".sites.", name), cat("no site '", name, "' here: ", join(lacking, "; ")));
  }
}

}  // namespace

void validate(const ModelConfig& config, Problems& problems) {
  std::vector<std::string> names;
  for (const auto& [name, op] : config.operators) {
    names.push_back(name);
    validate_operator(name, op, config.d_model, problems);
  }
  validate_model_sites(config.sites, problems);
  std::vector<std::string> pattern;
  try {
    if (!config.layers.empty()) pattern = expand_pattern(config.layers, names);
  } catch (const ConfigError& error) {
    problems.add("model.layers", error.what());
  }
  for (std::size_t i = 0; i < config.overrides.size(); ++i) {
    validate_override(config, config.overrides[i], pattern, cat("model.overrides.", i), problems);
  }
}

}  // namespace ingot
