// Operations of the registry. Whatever has a reference and settings that suit the width is found here by itself.

#include <ATen/TensorOperators.h>

#include <numeric>
#include <optional>

#include "base/error.h"
#include "base/text.h"
#include "bench/operation.h"
#include "nn/activation.h"
#include "nn/branch.h"
#include "nn/position.h"
#include "nn/standalone.h"
#include "optim/optimizer.h"
#include "registry/variant_text.h"

namespace ingot {
namespace {

constexpr std::int64_t kHeadDim = 64;  // of position encodings

/// An entry with settings under a name.
template <class E>
struct Case {
  const E& entry;
  std::shared_ptr<const ConfigObject> settings;
  std::string name;
  const Families& families;
};

/// The module of a case, in a store of its own.
template <class M>
struct Owned {
  std::unique_ptr<StandaloneStore> store;
  std::unique_ptr<M> module;
};

template <class M, class Make>
std::shared_ptr<Owned<M>> own(const Families& families, const BenchSizes& sizes, Make make) {
  auto owned = std::make_shared<Owned<M>>();
  owned->store = std::make_unique<StandaloneStore>(
      families, sizes.dtype, [&](const ParamScope& scope) { owned->module = make(scope); }, sizes.device);
  return owned;
}

std::vector<BenchWeight> weights_of(const StandaloneStore& store) {
  std::vector<BenchWeight> out;
  for (const Master& master : store.store().masters()) {
    if (master.trained) out.push_back({master.name.substr(2), master.value, master.grad});
  }
  return out;
}

double total(const std::vector<FlopItem>& items) {
  return std::accumulate(items.begin(), items.end(), 0.0,
                         [](double sum, const FlopItem& item) { return sum + item.flops; });
}

SequenceContext context_of(const BenchSizes& sizes) {
  auto context = plain_context(sizes.rows, sizes.seq_len, 0, 0, sizes.device);
  context.pass.training = true;
  return context;
}

std::unique_ptr<Norm> make_norm(const Case<NormEntry>& c, const ParamScope& scope, std::int64_t d_model) {
  return c.entry.make(*c.settings, {scope, d_model, 1, Site::kInput, 0, 1});
}

DifferentiableOperation build(const Case<NormEntry>& c, const BenchSizes& sizes) {
  const auto owned =
      own<Norm>(c.families, sizes, [&](const ParamScope& scope) { return make_norm(c, scope, sizes.d_model); });
  DifferentiableOperation out;
  out.inputs = {random_input({sizes.rows, sizes.seq_len, sizes.d_model}, sizes, 1)};
  out.weights = weights_of(*owned->store);
  auto context = context_of(sizes);
  // The reference of a norm with running statistics is its form for evaluation.
  if (c.entry.leaks) context.pass.training = false;
  out.forward = [owned, context](const std::vector<at::Tensor>& in) {
    return owned->module->forward(in[0], {{}, &context, {}});
  };
  out.reference = [c](const std::vector<at::Tensor>& in, const ParamMap& weights) {
    return c.entry.reference(*c.settings, in[0], weights);
  };
  out.tolerance = Tolerance::of(sizes.dtype).reduction(sizes.d_model);
  out.flops = c.entry.flops_per_element * static_cast<double>(sizes.tokens() * sizes.d_model);
  return out;
}

DifferentiableOperation build(const Case<ActivationEntry>& c, const BenchSizes& sizes) {
  const std::shared_ptr<Activation> module = c.entry.make(*c.settings);
  DifferentiableOperation out;
  out.inputs = {random_input({sizes.rows, sizes.seq_len, sizes.d_model}, sizes, 1)};
  out.forward = [module](const std::vector<at::Tensor>& in) { return module->forward(in[0]); };
  out.reference = [c](const std::vector<at::Tensor>& in, const ParamMap&) {
    return c.entry.reference(*c.settings, in[0]);
  };
  if (c.entry.terms) {
    out.terms = [c](const std::vector<at::Tensor>& in) { return c.entry.terms(*c.settings, in[0]); };
  }
  out.tolerance = Tolerance::of(sizes.dtype);
  return out;
}

DifferentiableOperation build(const Case<FfnEntry>& c, const BenchSizes& sizes) {
  const auto owned = own<Ffn>(c.families, sizes, [&](const ParamScope& scope) {
    return c.entry.make(*c.settings, standalone_branch(c.families, scope, sizes.d_model, sizes.seq_len));
  });
  DifferentiableOperation out;
  out.inputs = {random_input({sizes.rows, sizes.seq_len, sizes.d_model}, sizes, 1)};
  out.weights = weights_of(*owned->store);
  out.forward = [owned, sizes](const std::vector<at::Tensor>& in) {
    return owned->module->forward(in[0], context_of(sizes));
  };
  out.reference = [c](const std::vector<at::Tensor>& in, const ParamMap& weights) {
    return c.entry.reference(*c.settings, in[0], weights);
  };
  // Two products and what lies between them; the inner width is a few times d_model.
  out.tolerance = Tolerance::of(sizes.dtype).reduction(4 * sizes.d_model).chain(3);
  out.flops = total(owned->module->flops()) * static_cast<double>(sizes.tokens());
  return out;
}

DifferentiableOperation build(const Case<MixerEntry>& c, const BenchSizes& sizes) {
  const auto owned = own<Mixer>(c.families, sizes, [&](const ParamScope& scope) {
    return c.entry.make(*c.settings, standalone_branch(c.families, scope, sizes.d_model, sizes.seq_len));
  });
  DifferentiableOperation out;
  out.inputs = {random_input({sizes.rows, sizes.seq_len, sizes.d_model}, sizes, 1)};
  out.weights = weights_of(*owned->store);
  out.forward = [owned, sizes](const std::vector<at::Tensor>& in) {
    return owned->module->forward(in[0], context_of(sizes), {});
  };
  out.reference = [c](const std::vector<at::Tensor>& in, const ParamMap& weights) {
    return c.entry.reference(*c.settings, in[0], weights, {});
  };
  // The projections, the recurrence over the tokens, the norm and the last projection.
  out.tolerance = Tolerance::of(sizes.dtype).reduction(sizes.d_model * sizes.seq_len).chain(6);
  out.flops = total(owned->module->flops(sizes.seq_len, 0)) * static_cast<double>(sizes.tokens());
  return out;
}

/// Where it may act: on queries and keys, or else at the embedding. Null: it does nothing.
std::unique_ptr<Position> make_position(const Case<PositionEntry>& c, const ParamScope& scope, std::int64_t d_model,
                                        std::int64_t length, bool& at_embedding) {
  at_embedding = false;
  try {
    return c.entry.make(*c.settings, {scope, d_model, kHeadDim, length, false});
  } catch (const ConfigError&) {
    at_embedding = true;
    return c.entry.make(*c.settings, {scope, d_model, 0, length, true});
  }
}

DifferentiableOperation build(const Case<PositionEntry>& c, const BenchSizes& sizes) {
  bool at_embedding = false;
  const auto owned = own<Position>(c.families, sizes, [&](const ParamScope& scope) {
    return make_position(c, scope, sizes.d_model, sizes.seq_len, at_embedding);
  });
  const auto heads = std::max<std::int64_t>(1, sizes.d_model / kHeadDim);
  DifferentiableOperation out;
  out.inputs = {at_embedding ? random_input({sizes.rows, sizes.seq_len, sizes.d_model}, sizes, 1)
                             : random_input({sizes.rows, sizes.seq_len, heads, kHeadDim}, sizes, 1)};
  out.weights = weights_of(*owned->store);
  const auto context = context_of(sizes);
  out.forward = [owned, context, at_embedding](const std::vector<at::Tensor>& in) {
    return at_embedding ? owned->module->embed(in[0], context) : owned->module->rotate(in[0], context);
  };
  out.reference = [c, context](const std::vector<at::Tensor>& in, const ParamMap& weights) {
    return c.entry.reference(*c.settings, in[0], context.position, weights);
  };
  out.tolerance = Tolerance::of(sizes.dtype);
  return out;
}

/// Whether an entry does anything at all with these settings at this width; false also where they do not suit it.
template <class E>
bool acts(const Case<E>&, std::int64_t) {
  return true;
}
template <>
bool acts(const Case<NormEntry>& c, std::int64_t d_model) {
  ParameterStore store;
  try {
    return make_norm(c, ParamScope(store), d_model) != nullptr;
  } catch (const ConfigError&) {
    return false;  // defaults that want a decision, such as a norm that leaks
  }
}
template <>
bool acts(const Case<PositionEntry>& c, std::int64_t d_model) {
  ParameterStore store;
  bool at_embedding = false;
  return make_position(c, ParamScope(store), d_model, 1, at_embedding) != nullptr;
}
template <>
bool acts(const Case<MixerEntry>& c, std::int64_t d_model) {
  return !c.entry.validate || c.entry.validate(*c.settings, d_model).empty();
}

/// The default settings as a config would read them, variants inside them bound; null if one has no default.
template <class E>
std::shared_ptr<const ConfigObject> default_settings(const Families& families, const E& entry) {
  try {
    const auto variant = read_variant<E>(cat("{type: ", entry.name, "}"), families, "defaults");
    return std::shared_ptr<const ConfigObject>(variant.settings().clone());
  } catch (const ConfigError&) {
    return nullptr;
  }
}

/// Defaults first, then the samples, those that do something at this width.
template <class E>
std::vector<Case<E>> cases_of(const Families& families, const E& entry, std::int64_t d_model) {
  std::vector<Case<E>> out;
  const auto add = [&](std::shared_ptr<const ConfigObject> settings, const std::string& name) {
    const Case<E> c{entry, std::move(settings), name, families};
    if (c.settings != nullptr && acts(c, d_model)) out.push_back(c);
  };
  add(default_settings(families, entry), entry.name);
  if (entry.samples) {
    for (const Sample& sample : entry.samples(families)) add(sample.settings, cat(entry.name, "/", sample.name));
  }
  return out;
}

template <class E>
Operation operation_of(const Case<E>& c) {
  return differentiable(E::kFamily, c.name, [c](const BenchSizes& sizes) { return build(c, sizes); });
}

template <class E>
void add_family(const Families& families, std::int64_t d_model, bool all_samples, std::vector<Operation>& out) {
  if (families.find(E::kFamily) == nullptr) return;
  const Family<E>& family = families.get<E>();
  for (const auto& name : family.names()) {
    if (!family.at(name).reference) continue;
    for (const auto& c : cases_of(families, family.at(name), d_model)) {
      out.push_back(operation_of(c));
      if (!all_samples) break;
    }
  }
}

template <class E>
bool describe_in(const Families& families, const std::string& name, const std::string& text, const std::string& yaml,
                 std::optional<Operation>& out) {
  if (families.get<E>().find(name) == nullptr) return false;
  const auto variant = read_variant<E>(yaml, families, text);
  out = operation_of(
      Case<E>{variant.entry(), std::shared_ptr<const ConfigObject>(variant.settings().clone()), text, families});
  return true;
}

}  // namespace

std::vector<Operation> family_operations(const Families& families, std::int64_t d_model, bool all_samples) {
  std::vector<Operation> out;
  add_family<NormEntry>(families, d_model, all_samples, out);
  add_family<ActivationEntry>(families, d_model, all_samples, out);
  add_family<PositionEntry>(families, d_model, all_samples, out);
  add_family<FfnEntry>(families, d_model, all_samples, out);
  add_family<MixerEntry>(families, d_model, all_samples, out);
  return out;
}

Operation described_operation(const Families& families, const std::string& text) {
  const auto brace = text.find('{');
  const std::string name(trim(text.substr(0, brace)));
  const auto settings = text.substr(brace + 1);
  const bool alone = trim(settings) == "}";
  const auto yaml = cat("{type: ", name, alone ? "" : ", ", settings);
  std::optional<Operation> out;
  const bool found = describe_in<NormEntry>(families, name, text, yaml, out) ||
                     describe_in<ActivationEntry>(families, name, text, yaml, out) ||
                     describe_in<PositionEntry>(families, name, text, yaml, out) ||
                     describe_in<FfnEntry>(families, name, text, yaml, out) ||
                     describe_in<MixerEntry>(families, name, text, yaml, out);
  const auto* optimizers = families.find(OptimizerEntry::kFamily);
  if (!found && optimizers != nullptr && families.get<OptimizerEntry>().find(name) != nullptr)
    return optimizer_operation(families, yaml, text);
  if (!found)
    throw ConfigError(cat("bench op: no norm, activation, position, ffn, mixer or optimizer is named '", name, "'"));
  return *out;
}

}  // namespace ingot
