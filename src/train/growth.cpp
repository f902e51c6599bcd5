#include "train/growth.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "base/text.h"
#include "train/places.h"

namespace ingot {
namespace {

constexpr const char* kStack = "layers.";
constexpr int kMostLayers = 1 << 16;  // what a file may claim

/// "exp_avg/layers.3.ffn.up.weight" is "exp_avg/layers.", 3 and ".ffn.up.weight".
struct LayerName {
  std::string before, after;
  int layer = 0;
};
std::optional<LayerName> split(const std::string& name) {
  const auto slash = name.rfind('/', name.find(kStack));
  const auto begin = slash == std::string::npos ? 0 : slash + 1;
  if (name.compare(begin, std::string(kStack).size(), kStack) != 0) return std::nullopt;
  LayerName out;
  const auto number = begin + std::string(kStack).size();
  const auto [end, error] = std::from_chars(name.data() + number, name.data() + name.size(), out.layer);
  if (error != std::errc{} || end == name.data() + name.size() || *end != '.') return std::nullopt;
  if (out.layer < 0 || out.layer >= kMostLayers) return std::nullopt;
  out.before = name.substr(0, number);
  out.after = end;
  return out;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::vector<std::string> sizes;
  for (const auto size : shape) sizes.push_back(std::to_string(size));
  return sizes.empty() ? "a number" : join(sizes, "x");
}

/// A model's weights, those of each sub-layer by what follows "layers.3".
struct Stack {
  explicit Stack(const TensorShapes& shapes) {
    for (const auto& [name, shape] : shapes) {
      const auto parts = split(name);
      if (!parts) {
        outside.emplace(name, shape);
        continue;
      }
      const auto layer = static_cast<std::size_t>(parts->layer);
      if (layers.size() <= layer) layers.resize(layer + 1);
      layers[layer].emplace(parts->after, shape);
    }
  }
  int size() const { return static_cast<int>(layers.size()); }
  TensorShapes outside;
  std::vector<TensorShapes> layers;
};

/// Why weights cannot be taken, or "": "'embedding.weight' is 257x32 there, 257x64 here".
std::string difference(const TensorShapes& there, const TensorShapes& here, const std::string& before) {
  for (const auto& [name, shape] : here) {
    const auto found = there.find(name);
    if (found == there.end()) return cat("'", before, name, "' is missing there");
    if (found->second == shape) continue;
    return cat("'", before, name, "' is ", shape_text(found->second), " there, ", shape_text(shape), " here");
  }
  return "";
}

/// Why a sub-layer of the checkpoint is not of the kind of sub-layer `layer` here, or "". It may have more than
/// weights, of names that no sub-layer's weights have here.
std::string difference(const TensorShapes& there, const Stack& here, std::size_t layer) {
  const std::string before = cat(kStack, "*");
  auto problem = difference(there, here.layers[layer], before);
  for (const auto& entry : there) {
    const auto& name = entry.first;
    const bool is_weight = std::any_of(here.layers.begin(), here.layers.end(),
                                       [&](const TensorShapes& weights) { return weights.count(name) != 0; });
    if (!problem.empty() || !is_weight || here.layers[layer].count(name) != 0) continue;
    problem = cat("'", before, name, "' is unknown here");
  }
  return problem;
}

/// Sources by `rule` if `unit` sub-layers move together.
std::vector<LayerSource> sources_for(ExpandRule rule, int there, int here, int unit) {
  std::vector<LayerSource> out;
  const int m = there / unit, n = here / unit;
  for (int i = 0; i < here; ++i) {
    const int j = i / unit, within = i % unit;
    LayerSource source;
    if (rule == ExpandRule::kStack) {
      source.layer = i % there;
    } else if (rule == ExpandRule::kInterleave) {
      source.layer = j * m / n * unit + within;
    } else {
      const int k = n == 1 ? 0 : j * (m - 1) / (n - 1);
      source.layer = k * unit + within;
      source.share = n == 1 ? 0 : static_cast<double>(j * (m - 1) % (n - 1)) / (n - 1);
    }
    source.other = source.share == 0 ? source.layer : source.layer + unit;
    source.is_copy = source.share != 0 || std::any_of(out.begin(), out.end(), [&](const LayerSource& before) {
                       return before.share == 0 && before.layer == source.layer;
                     });
    out.push_back(source);
  }
  return out;
}

/// The first sub-layer that cannot take what it should, or "".
std::string misfit(const std::vector<LayerSource>& sources, const Stack& there, const Stack& here) {
  for (std::size_t i = 0; i < sources.size(); ++i) {
    for (const int from : {sources[i].layer, sources[i].other}) {
      const auto problem = difference(there.layers[static_cast<std::size_t>(from)], here, i);
      if (!problem.empty()) return cat("sub-layer ", i, " would take the weights of ", from, ", but ", problem);
    }
  }
  return "";
}

}  // namespace

std::vector<LayerSource> layer_sources(ExpandRule rule, const TensorShapes& there, const TensorShapes& here,
                                       const Location& place) {
  const auto refuse = [&](const std::string& reason) {
    throw ConfigError(place, cat("train.start_from.expand: ", reason));
  };
  const Stack from(there), to(here);
  if (const auto problem = difference(from.outside, to.outside, ""); !problem.empty()) {
    refuse(cat(problem, "; expected a checkpoint that differs in depth alone"));
  }
  if (from.size() == 0 || from.size() >= to.size()) {
    refuse(cat("the checkpoint has ", from.size(), " sub-layers and this model ", to.size(),
               ", expected a checkpoint of fewer"));
  }
  std::string problem;
  for (int unit = 1; unit <= from.size(); ++unit) {
    if (from.size() % unit != 0 || to.size() % unit != 0) continue;
    auto sources = sources_for(rule, from.size(), to.size(), unit);
    const auto found = misfit(sources, from, to);
    if (found.empty()) return sources;
    problem = found;
  }
  refuse(cat(problem, "; expected the checkpoint's pattern of operators, repeated, at the same widths"));
  return {};
}

std::string sources_text(const std::vector<LayerSource>& sources) {
  std::vector<std::string> out;
  for (const auto& source : sources) {
    const auto rounded = [](double share) { return format_double(std::round(1e3 * share) / 1e3); };
    if (source.share == 0) {
      out.push_back(cat(source.layer, source.is_copy ? "'" : ""));
    } else {
      out.push_back(cat(rounded(1 - source.share), " ", source.layer, " + ", rounded(source.share), " ", source.other));
    }
  }
  return join(out, ", ");
}

namespace {

std::string name_of(ExpandRule rule) {
  return rule == ExpandRule::kStack ? "stack" : rule == ExpandRule::kInterleave ? "interleave" : "linear";
}

TensorShapes shapes_of(const ParameterStore& store) {
  TensorShapes out;
  for (const auto& master : store.masters()) out.emplace(master.name, master.shape);
  return out;
}

/// Of sub-layer `depth`, the parts that write the stream; their biases have the same.
std::set<std::string> writing_parts(const ParameterStore& store, int depth) {
  std::set<std::string> out;
  for (const auto* info : store.parameters()) {
    if (info->depth == depth && info->roles.has(Role::kWritesStream)) out.insert(info->part);
  }
  return out;
}

void check_zeros(const ParameterStore& store, const std::vector<LayerSource>& sources, const Location& place) {
  for (const auto& choice : store.choices()) {
    const auto& info = *choice.info;
    if (info.depth < 0 || !info.roles.has(Role::kWritesStream)) continue;
    if (!sources[static_cast<std::size_t>(info.depth)].is_copy) continue;
    const bool is_plain = choice.parametrization == "plain";
    if (is_plain && choice.constraints.empty()) continue;
    throw ConfigError(place, cat("train.start_from.expand.output: zero does not go with ",
                                 is_plain ? choice.constraints.front() : choice.parametrization, " on '", info.name,
                                 "'; expected plain weights without constraints there, or output: copy"));
  }
}

}  // namespace

Growth::Growth(const TrainSetup& setup, const TensorShapes& there) {
  const auto& from = setup.config.train.start_from;
  if (!from || !from->expand) return;
  const auto place = place_of(setup.config, "train.start_from.expand");
  rule_ = name_of(from->expand->rule);
  zeroes_ = from->expand->output == ExpandOutput::kZero;
  sources_ = layer_sources(from->expand->rule, there, shapes_of(*setup.store), place);
  if (zeroes_) check_zeros(*setup.store, sources_, place);
}

std::string Growth::text() const {
  if (sources_.empty()) return "";
  return cat(sources_.size(), " sub-layers by ", rule_, ": ", sources_text(sources_),
             zeroes_ ? "; what copies (') write to the stream starts at zero" : "");
}

std::string Growth::source(const std::string& name) const {
  const auto parts = split(name);
  if (!parts || sources_.empty()) return name;
  return cat(parts->before, sources_.at(static_cast<std::size_t>(parts->layer)).layer, parts->after);
}

Growth::Request Growth::request(const StateTensors& targets) const {
  Request out;
  for (const auto& target : targets) {
    auto wanted = target;
    wanted.name = source(target.name);
    out.tensors.push_back(wanted);
    const auto parts = split(target.name);
    if (!parts || sources_.empty()) continue;
    const auto& from = sources_[static_cast<std::size_t>(parts->layer)];
    if (from.share == 0) continue;
    wanted.name = cat(parts->before, from.other, parts->after);
    if (target.is_owned()) {
      wanted.tensor = at::empty_like(target.tensor);
      out.mixes.push_back({target.tensor, wanted.tensor, from.share});
    }
    out.tensors.push_back(wanted);
  }
  return out;
}

void Growth::Request::finish() const {
  const at::NoGradGuard no_grad;
  for (const auto& mix : mixes) mix.target.lerp_(mix.other, mix.share);
}

void Growth::zero_outputs(const ParameterStore& store) const {
  if (!zeroes_) return;
  const at::NoGradGuard no_grad;
  for (const auto& master : store.owned()) {
    const auto& info = *master.param;
    if (info.depth < 0 || !sources_[static_cast<std::size_t>(info.depth)].is_copy) continue;
    const bool is_bias = info.roles.has(Role::kBias) && writing_parts(store, info.depth).count(info.part) != 0;
    if (info.roles.has(Role::kWritesStream) || is_bias) master.value.zero_();
  }
}

}  // namespace ingot
