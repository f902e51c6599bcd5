#include "convert/convert.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/matmul.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "base/error.h"
#include "base/own_folder.h"
#include "base/staged.h"
#include "base/text.h"
#include "checkpoint/checkpoint.h"
#include "config/dump.h"
#include "data/data_module.h"
#include "eval/trained_model.h"
#include "params/effective_weights.h"
#include "recipe/options.h"
#include "registry/variant_text.h"

namespace ingot {
namespace {

constexpr const char* kHead = "head.weight";

/// A model on its way from one form to another: effective weights in fp64 by parameter name, and the config that they
/// suit. `model` and `infos` are those of the model that was trained.
class Conversion {
 public:
  Conversion(const TrainedModel& trained, const Families& families)
      : config(trained.config),
        families_(families),
        model_(*trained.model),
        resolved_(model_.resolved()),
        infos_(trained.store->parameters()) {
    for (const auto& [name, weight] : effective_weights(*trained.store)) weights[name] = weight.to(at::kDouble).clone();
    for (const auto& state : trained.store->state()) {
      if (find(state.name) == nullptr) buffers[state.name] = state.tensor;
    }
    untie();
    drop_parametrizations();
  }

  void fold();
  void centre();
  void drop_last_channel();
  void remove_linear_norms();

  RunConfig config;
  std::map<std::string, at::Tensor> weights;
  std::map<std::string, at::Tensor> buffers;  // of norms that stay

 private:
  void untie();
  void drop_parametrizations();
  void fold_head_norm();
  void fold_site(const std::string& scope, Site site, int depth, double scale);
  bool remove_site(const std::string& scope, Site site, int depth, double scale);
  void check_linear_norms_precede_products() const;
  void check_centred_form() const;
  void replace_layer_norms(const std::function<std::string(const std::string& eps, bool has_bias)>& text);
  void fix_sizes(AnyVariant& variant, const std::string& path);
  void drop_unused_operators();

  [[noreturn]] void refuse(const std::string& path, const std::string& reason) const {
    throw ConfigError(cat(path, ": ", reason));
  }
  /// What reads the site's output: matrices of the sub-layer, or the head.
  std::vector<std::string> readers(int depth) const;
  /// The bias beside a matrix, or null.
  at::Tensor* bias_of(const std::string& weight_name);
  at::Tensor* find(const std::string& name) {
    const auto found = weights.find(name);
    return found == weights.end() ? nullptr : &found->second;
  }
  static std::string sublayer(int depth) { return cat("layers.", depth); }

  const Families& families_;
  const LanguageModel& model_;
  const ResolvedModel& resolved_;
  std::vector<const ParamInfo*> infos_;
};

void Conversion::untie() {
  if (config.model.tie_embeddings) weights[kHead] = weights.at("embedding.weight").clone();
  config.model.tie_embeddings = false;
}

void Conversion::drop_parametrizations() {
  config.weights.parametrization = read_variant<ParametrizationEntry>("plain", families_, "conversion");
  config.weights.constraints.clear();
  config.weights.overrides.clear();
}

std::vector<std::string> Conversion::readers(int depth) const {
  if (depth < 0) return {kHead};
  std::vector<std::string> names;
  for (const auto* info : infos_) {
    if (info->depth == depth && info->roles.has(Role::kReadsStream)) names.push_back(info->name);
  }
  return names;
}

at::Tensor* Conversion::bias_of(const std::string& weight_name) {
  const std::string suffix = "weight";
  return find(weight_name.substr(0, weight_name.size() - suffix.size()) + "bias");
}

void Conversion::fold_head_norm() {
  if (!config.model.normalise_head) return;
  at::Tensor& head = weights.at(kHead);
  head = head / at::linalg_vector_norm(head, 2, {1}, true);
  config.model.normalise_head = false;
}

void Conversion::fold() {
  fold_head_norm();
  for (int depth = 0; depth < model_.num_sublayers(); ++depth) {
    fold_site(sublayer(depth) + ".input_norm", Site::kInput, depth, resolved_.sublayer(depth).input_scale);
  }
  fold_site("final_norm", Site::kFinal, -1, 1);
}

/// The site's gain and bias go into what reads it, which gets `scale` times the norm's output.
void Conversion::fold_site(const std::string& scope, Site site, int depth, double scale) {
  const auto* norm = resolved_.norm_at(site, depth);
  if (norm == nullptr || !norm->entry().neutral_gain) return;
  const double neutral = norm->entry().neutral_gain(norm->settings());
  at::Tensor& gain = weights.at(scope + ".gain");
  at::Tensor* bias = find(scope + ".bias");
  const bool has_bias = bias != nullptr && bias->abs().max().item<double>() > 0;
  for (const auto& name : readers(depth)) {
    at::Tensor& weight = weights.at(name);
    if (has_bias) {
      at::Tensor* into = bias_of(name);
      if (into == nullptr) {
        refuse(scope + ".bias", cat("cannot become part of '", name,
                                    "', which has no bias, expected a norm without one or a product with one"));
      }
      into->add_(scale * at::matmul(weight, *bias));
    }
    weight = weight * (gain - neutral + 1);
  }
  gain.fill_(neutral);
  if (bias != nullptr) bias->zero_();
}

/// Sites whose output no product alone reads.
void Conversion::check_linear_norms_precede_products() const {
  const auto expect_other = [&](Site site, int depth, const std::string& path) {
    const auto* norm = resolved_.norm_at(site, depth);
    if (norm == nullptr || !norm->entry().linear_form) return;
    refuse(path, cat(norm->name(), " is not before a product, expected it at the sites input and final alone"));
  };
  for (int depth = 0; depth < model_.num_sublayers(); ++depth) {
    expect_other(Site::kOutput, depth, sublayer(depth) + ".output_norm");
    expect_other(Site::kStream, depth, sublayer(depth) + ".stream_norm");
  }
  expect_other(Site::kEmbedding, -1, "embedding_norm");
}

void Conversion::remove_linear_norms() {
  check_linear_norms_precede_products();
  const auto* last = resolved_.norm_at(Site::kFinal, -1);
  if (last != nullptr && last->entry().linear_form) fold_head_norm();
  bool any = remove_site("final_norm", Site::kFinal, -1, 1);
  for (int depth = 0; depth < model_.num_sublayers(); ++depth) {
    any =
        remove_site(sublayer(depth) + ".input_norm", Site::kInput, depth, resolved_.sublayer(depth).input_scale) || any;
  }
  if (!any) refuse("model", "has no norm that can be removed, expected frozen_norm at the sites input or final");
  const auto none = read_variant<NormEntry>("none", families_, "conversion");
  const auto replace = [&](NamedMap<Variant<NormEntry>>& sites) {
    for (auto& [site, norm] : sites) {
      if (norm.entry().linear_form) norm = none;
    }
  };
  if (config.model.norm.entry().linear_form) config.model.norm = none;
  for (auto& [name, op] : config.model.operators) replace(op.sites);
  for (auto& change : config.model.overrides) replace(change.sites);
  replace(config.model.sites);
}

/// The whole norm goes into what reads it. False if there is none that training made linear.
bool Conversion::remove_site(const std::string& scope, Site site, int depth, double scale) {
  const auto* norm = resolved_.norm_at(site, depth);
  if (norm == nullptr || !norm->entry().linear_form) return false;
  ParamMap state;
  const auto prefix = scope + ".";
  for (const auto& [name, value] : buffers) {
    if (name.compare(0, prefix.size(), prefix) == 0) state[name.substr(prefix.size())] = value;
  }
  const auto linear = norm->entry().linear_form(norm->settings(), depth, model_.point().updates, state);
  if (!linear.reason.empty()) refuse(scope, linear.reason);
  fold_site(scope, site, depth, scale);
  for (const auto& name : readers(depth)) {
    at::Tensor& weight = weights.at(name);
    weight = weight / linear.divisor;
    if (linear.centres) weight = weight - weight.mean(1, true);
  }
  return true;
}

/// LayerNorm is RMSNorm where its input has mean zero: in a sum of the embedding and of branches.
void Conversion::check_centred_form() const {
  const auto& residual = config.model.residual;
  if (residual && !residual->entry().sums_branches) {
    refuse("model.residual", cat(residual->name(), " is no sum of branches with one factor each, expected add"));
  }
  const auto expect_layer_norm = [&](Site site, int depth, const std::string& path) {
    const auto* norm = resolved_.norm_at(site, depth);
    if (norm != nullptr && norm->name() == "layer_norm") return;
    refuse(path, cat("is ", norm == nullptr ? "none" : norm->name(), ", expected layer_norm to convert"));
  };
  const auto expect_none = [&](Site site, int depth, const std::string& path) {
    const auto* norm = resolved_.norm_at(site, depth);
    if (norm == nullptr) return;
    refuse(path, cat(norm->name(), " acts on the stream or on what joins it, expected pre-norm alone"));
  };
  for (int depth = 0; depth < model_.num_sublayers(); ++depth) {
    if (const auto& linear = resolved_.sublayer(depth).linear; linear.entry().drops_scale) {
      refuse(sublayer(depth), cat("linear ", linear.name(), " is no product alone, expected plain"));
    }
    expect_layer_norm(Site::kInput, depth, sublayer(depth) + ".input_norm");
    expect_none(Site::kOutput, depth, sublayer(depth) + ".output_norm");
    expect_none(Site::kStream, depth, sublayer(depth) + ".stream_norm");
    for (const auto site : {Site::kQ, Site::kK, Site::kV, Site::kHead, Site::kHidden}) {
      if (!resolved_.follows_model_norm(site, depth)) continue;
      refuse(cat(sublayer(depth), ", site ", site_name(site)),
             "has model.norm, which would change with it, expected a norm of its own under operators.X.sites");
    }
  }
  expect_layer_norm(Site::kFinal, -1, "final_norm");
  expect_none(Site::kEmbedding, -1, "embedding_norm");
}

void Conversion::centre() {
  check_centred_form();
  for (const auto* info : infos_) {
    at::Tensor& weight = weights.at(info->name);
    if (info->roles.any({Role::kEmbedding, Role::kMeta, Role::kPosition})) weight = weight - weight.mean(1, true);
    if (!info->roles.has(Role::kWritesStream)) continue;
    weight = weight - weight.mean(0, true);
    if (at::Tensor* bias = bias_of(info->name)) *bias = *bias - bias->mean();
  }
  replace_layer_norms([](const std::string& eps, bool has_bias) {
    return cat("{type: rms_norm, eps: ", eps, ", bias: ", has_bias ? "true" : "false", "}");
  });
}

/// At the sites input and final, wherever the config writes them.
void Conversion::replace_layer_norms(const std::function<std::string(const std::string& eps, bool has_bias)>& text) {
  const auto replace = [&](Variant<NormEntry>& norm) {
    const auto settings = field_values(norm);
    const auto bias = settings.find("bias");
    const bool has_bias = bias != settings.end() && bias->second == "true";
    norm = read_variant<NormEntry>(text(settings.at("eps"), has_bias), families_, "conversion");
  };
  const auto replace_site = [&](NamedMap<Variant<NormEntry>>& sites, const char* name) {
    for (auto& [site, norm] : sites) {
      if (site == name) replace(norm);
    }
  };
  replace(config.model.norm);
  for (auto& [name, op] : config.model.operators) replace_site(op.sites, "input");
  for (auto& change : config.model.overrides) replace_site(change.sites, "input");
  replace_site(config.model.sites, "final");
}

/// Sizes that follow d_model get the values they have.
void Conversion::fix_sizes(AnyVariant& variant, const std::string& path) {
  const auto settings = field_values(variant);
  const auto number = [&](const std::string& key) {
    const auto found = settings.find(key);
    return found == settings.end() || found->second == "null" ? std::int64_t{0} : std::stoll(found->second);
  };
  if (settings.count("num_heads") != 0 && settings.count("head_dim") != 0) {
    const std::int64_t d = config.model.d_model, heads = number("num_heads"), width = number("head_dim");
    set_field(variant, "num_heads", std::to_string(heads > 0 ? heads : d / width), families_, path);
    set_field(variant, "head_dim", std::to_string(width > 0 ? width : d / heads), families_, path);
  }
}

/// Operators that `layers` does not name, whose sizes nothing could tell.
void Conversion::drop_unused_operators() {
  const auto& used = model_.pattern();
  auto& operators = config.model.operators;
  operators.erase(
      std::remove_if(operators.begin(), operators.end(),
                     [&](const auto& op) { return std::find(used.begin(), used.end(), op.first) == used.end(); }),
      operators.end());
}

void Conversion::drop_last_channel() {
  const std::int64_t d = config.model.d_model, rest = d - 1;
  drop_unused_operators();
  if (config.model.logit_scale) refuse("model.logit_scale", "is stored by the width, which crms_norm changes");
  for (auto& [name, op] : config.model.operators) {
    const auto path = cat("model.operators.", name);
    if (op.mixer) fix_sizes(*op.mixer, path + ".mixer");
    for (const auto* info : infos_) {
      if (!op.ffn || info->op != name || info->part != "up" || !info->roles.has(Role::kReadsStream)) continue;
      set_field(*op.ffn, "width", std::to_string(info->shape.at(0)), families_, path + ".ffn");
    }
  }
  const auto without_last = [&](at::Tensor& weight) { weight = weight.narrow(1, 0, rest) - weight.narrow(1, rest, 1); };
  for (const auto* info : infos_) {
    at::Tensor& weight = weights.at(info->name);
    if (info->roles.any({Role::kEmbedding, Role::kMeta, Role::kPosition})) {
      weight = weight.narrow(1, 0, rest);
    } else if (info->roles.has(Role::kWritesStream)) {
      weight = weight.narrow(0, 0, rest);
      if (at::Tensor* bias = bias_of(info->name)) *bias = bias->narrow(0, 0, rest);
    } else if (info->roles.has(Role::kReadsStream)) {
      without_last(weight);
    }
  }
  if (config.model.embedding_factor == EmbeddingFactor::kSqrtDModel) {
    weights.at("embedding.weight").mul_(std::sqrt(static_cast<double>(d) / static_cast<double>(rest)));
  }
  without_last(weights.at(kHead));
  replace_layer_norms([](const std::string& eps, bool) { return cat("{type: crms_norm, eps: ", eps, "}"); });
  config.model.d_model = rest;
}

/// The config's model with the given weights, in `store`.
void make_store(const Conversion& conversion, std::int64_t vocab_size, const Families& families,
                ParameterStore& store) {
  const auto& config = conversion.config;
  const LanguageModel model(config.model, model_options(config, vocab_size), families, store);
  auto options = store_options(config);
  options.device = at::kCPU;
  store.layout(config.weights, model.num_sublayers(), options);
  store.allocate();
  const at::NoGradGuard no_grad;
  for (const auto& master : store.masters()) {
    const auto& weight = conversion.weights.at(master.name);
    if (weight.sizes() != at::IntArrayRef(master.shape)) {
      throw ConfigError(cat("'", master.name,
                            "': its operator's sizes follow d_model, so that it would have the shape ",
                            at::IntArrayRef(master.shape), " in place of ", weight.sizes(),
                            ", expected an operator whose sizes can be set"));
    }
    master.value.copy_(weight / store.scaling().forward(*master.param));
  }
  for (const auto& state : store.state()) {
    const auto buffer = conversion.buffers.find(state.name);
    if (buffer != conversion.buffers.end()) state.tensor.copy_(buffer->second);
  }
}

}  // namespace

Converted convert_model(const fs::path& run_or_checkpoint, ConvertTo form, const fs::path& out,
                        const Families& families, WeightsKind weights) {
  if (fs::exists(out) && (!fs::is_directory(out) || !fs::is_empty(out))) {
    throw ConfigError(cat("--out ", out.string(), ": exists, expected a new or empty directory"));
  }
  const auto trained = open_trained_model(run_or_checkpoint, families, weights, Precision::kFloat32);
  Conversion conversion(trained, families);
  if (form == ConvertTo::kFolded || form == ConvertTo::kCrmsNorm) conversion.fold();
  if (form == ConvertTo::kRmsNorm || form == ConvertTo::kCrmsNorm) conversion.centre();
  if (form == ConvertTo::kCrmsNorm) conversion.drop_last_channel();
  if (form == ConvertTo::kNormFree) conversion.remove_linear_norms();

  ParameterStore store;
  make_store(conversion, trained.tokenizer->vocab_size(), families, store);
  auto& cache = conversion.config.data.cache;
  if (cache.is_auto()) cache = (trained.run_dir / "data").string();  // the same data
  conversion.config.run.dir = fs::absolute(out).lexically_normal().string();
  CheckpointState state;
  state.step = trained.step;
  state.state = read_state(trained.checkpoint);
  state.model = store.state();
  state.config_yaml = dump_config(conversion.config);
  StagedFolder staged(out, ExitCode::kCheckpoint);
  const FolderClaim claim(staged.path(), FolderKind::kRun, "--out");
  write_file_atomic(staged.path() / "config.yaml", state.config_yaml, ExitCode::kCheckpoint);
  write_run_tokenizer(staged.path(), *trained.tokenizer);
  save_checkpoint(staged.path(), state);
  staged.commit();
  return {checkpoint_path(out, state.step), trained.store->num_parameters(), store.num_parameters()};
}

}  // namespace ingot
