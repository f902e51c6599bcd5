// Declares a model's parameters and reports its sizes.

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "base/error.h"
#include "base/text.h"
#include "model/model_impl.h"
#include "nn/norm_parts.h"

namespace ingot {
namespace {

const OperatorConfig& operator_config(const ModelConfig& config, const std::string& name) {
  for (const auto& [op_name, op] : config.operators) {
    if (op_name == name) return op;
  }
  throw std::logic_error(cat("no operator ", name));
}

std::vector<std::string> operator_names(const ModelConfig& config) {
  std::vector<std::string> names;
  for (const auto& entry : config.operators) names.push_back(entry.first);
  return names;
}

std::int64_t padded(std::int64_t size, std::int64_t multiple) { return (size + multiple - 1) / multiple * multiple; }

ParamSpec token_table_spec(std::string name, RoleSet roles, std::int64_t rows, std::int64_t d_model) {
  ParamSpec spec;
  spec.name = std::move(name);
  spec.shape = {rows, d_model};
  spec.roles = roles;
  spec.hidden_axis = 1;
  return spec;
}

}  // namespace

LanguageModel::Impl::Impl(const ModelConfig& model_config, const ModelOptions& model_options,
                          const Families& all_families, ParameterStore& parameter_store)
    : config(model_config), options(model_options), families(all_families), store(parameter_store) {
  pattern = expand_pattern(config.layers, operator_names(config));
  const int num_sublayers = static_cast<int>(pattern.size());
  PlacementContext placement_context;
  placement_context.num_sublayers = num_sublayers;
  placement_context.is_mixer = [this](int depth) { return operator_at(depth).mixer.has_value(); };
  placement_context.has_site = [this](int depth, Site site) { return has_site(depth, site); };
  placement_context.d_model = config.d_model;
  placement = config.placement.entry().make(config.placement.settings(), placement_context);
  check_placement();
  norms = std::make_unique<SiteNormTable>(config, *placement, num_sublayers);

  const ParamScope root(store);
  const auto vocab = padded(options.vocab_size, config.vocab_multiple);
  const RoleSet table_roles =
      config.tie_embeddings ? RoleSet{Role::kEmbedding, Role::kHead} : RoleSet{Role::kEmbedding};
  const auto table = root.declare(token_table_spec("embedding.weight", table_roles, vocab, config.d_model));
  embedding = root.leaf_of(table);
  if (!config.tie_embeddings) {
    head = root.leaf_of(root.declare(token_table_spec("head.weight", Role::kHead, vocab, config.d_model)));
  }
  if (config.embedding_factor == EmbeddingFactor::kLearned) {
    embedding_scale = root.declare(norms::scalar_spec("embedding.scale", sqrt_d_model()));
  }
  if (config.logit_scale) {
    logit_scale = root.leaf_of(root.declare(norms::vector_spec("head.scale", vocab, 1 / sqrt_d_model())));
  }
  if (config.meta_tokens > 0) {
    auto spec = token_table_spec("meta.weight", Role::kMeta, config.meta_tokens, config.d_model);
    spec.fixed_init = normal_init(1.0);
    spec.fixed_init_name = "normal(0, 1)";
    meta = root.declare(spec);
  }
  PositionContext position_context{root.sub("position"), config.d_model, 0, config.meta_tokens + options.seq_len, true};
  position = config.position.entry().make(config.position.settings(), position_context);
  embedding_norm = norms->make(Site::kEmbedding, root.sub("embedding_norm"), config.d_model, 1);
  for (int depth = 0; depth < num_sublayers; ++depth) {
    const auto& depths = options.depths;
    if (depths && std::find(depths->begin(), depths->end(), depth) == depths->end()) continue;
    declare_sublayer(depth, pattern[static_cast<std::size_t>(depth)]);
  }
  final_norm = norms->make(Site::kFinal, root.sub("final_norm"), config.d_model, 1);

  const ResidualContext residual_context{
      [this](int depth) { return residual_scope(depth); },
      config.d_model,
      num_sublayers,
      [this](int depth) { return placement->branch_scale(depth); },
      [this](int depth) { return placement->skip_scale(depth); },
      [is_mixer = placement_context.is_mixer](int depth) { return !is_mixer(depth); }};
  residual_rule = config.residual ? *config.residual : make_variant<ResidualEntry>(families, "add");
  residual = residual_rule.entry().make(residual_rule.settings(), residual_context);
  resolved = resolve();
}

ParamScope LanguageModel::Impl::residual_scope(int depth) const {
  const ParamScope root(store);
  if (depth < 0) return root.sub("residual");
  return root.sub(cat("layers.", depth)).at(depth, pattern[static_cast<std::size_t>(depth)]).sub("residual");
}

const OperatorConfig& LanguageModel::Impl::operator_at(int depth) const {
  return operator_config(config, pattern[static_cast<std::size_t>(depth)]);
}

bool LanguageModel::Impl::has_site(int depth, Site site) const {
  const auto& sites = inner_sites(operator_at(depth));
  return std::find(sites.begin(), sites.end(), site) != sites.end();
}

void LanguageModel::Impl::check_placement() const {
  for (int depth = 0; depth < static_cast<int>(pattern.size()); ++depth) {
    for (const auto& [name, site] : site_names()) {
      if (!is_inner_site(site) || has_site(depth, site) || !placement->has_norm(site, depth)) continue;
      throw ConfigError(cat("model.placement: ", config.placement.name(), " has a norm at the site ", name,
                            " of sub-layer ", depth, ", but ", operator_kind(operator_at(depth)), " has no such site"));
    }
  }
}

void LanguageModel::Impl::declare_sublayer(int depth, const std::string& op_name) {
  const auto& op = operator_config(config, op_name);
  const auto scope = ParamScope(store).sub(cat("layers.", depth)).at(depth, op_name);
  SubLayer layer;
  layer.depth = depth;
  layer.op = op_name;
  layer.input_scale = placement->input_scale(depth);
  layer.recompute = op.recompute.value_or(options.recompute);
  layer.input_norm = norms->make(Site::kInput, scope.sub("input_norm"), config.d_model, 1);
  BranchContext context{scope.sub(op.mixer ? "mixer" : "ffn"),
                        config.d_model,
                        config.meta_tokens + options.seq_len,
                        depth,
                        static_cast<int>(pattern.size()),
                        {},
                        layer.recompute,
                        &families,
                        channel,
                        op.linear ? &*op.linear : &config.linear};
  context.site_norm = [this](Site site, const ParamScope& at, std::int64_t width, std::int64_t heads) {
    return norms->make(site, at, width, heads);
  };
  if (op.mixer) {
    layer.mixer = op.mixer->entry().make(op.mixer->settings(), context);
  } else {
    layer.ffn = op.ffn->entry().make(op.ffn->settings(), context);
  }
  layer.output_norm = norms->make(Site::kOutput, scope.sub("output_norm"), config.d_model, 1);
  layer.stream_norm = norms->make(Site::kStream, scope.sub("stream_norm"), config.d_model, 1);
  layers.push_back(std::move(layer));
}

LanguageModel::LanguageModel(const ModelConfig& config, const ModelOptions& options, const Families& families,
                             ParameterStore& store)
    : impl_(std::make_unique<Impl>(config, options, families, store)) {}

int LanguageModel::num_sublayers() const { return static_cast<int>(impl_->pattern.size()); }

const std::vector<std::string>& LanguageModel::pattern() const { return impl_->pattern; }

ModelFlops LanguageModel::flops(std::int64_t seq_len) const {
  ModelFlops total;
  const auto add = [&](const std::string& op, const std::string& item, double flops) {
    total.forward_per_token += flops;
    for (auto& row : total.rows) {
      if (row.op == op && row.item == item) {
        row.flops += flops;
        return;
      }
    }
    total.rows.push_back({op, item, flops});
  };
  for (const auto& layer : impl_->layers) {
    const auto items = layer.mixer ? layer.mixer->flops(seq_len, impl_->meta_tokens()) : layer.ffn->flops();
    for (const auto& item : items) add(layer.op, item.name, item.flops);
  }
  add("head", "logits", 2.0 * static_cast<double>(impl_->config.d_model * impl_->options.vocab_size));
  return total;
}

std::int64_t LanguageModel::state_bytes(std::int64_t length) const {
  const auto element_bytes = static_cast<int>(c10::elementSize(impl_->store.options().compute_dtype));
  std::int64_t bytes = 0;
  for (const auto& layer : impl_->layers) {
    if (layer.mixer) bytes += layer.mixer->state_bytes(impl_->meta_tokens() + length, element_bytes);
  }
  return bytes;
}

}  // namespace ingot
