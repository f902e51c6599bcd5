#include "optim/bench.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "base/random.h"
#include "config/document.h"
#include "config/reader.h"
#include "config/units.h"
#include "registry/lookup.h"
#include "support/golden.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

struct AnyConfig {
  Variant<OptimizerEntry> optimizer;
  Variant<ScheduleEntry> schedule;
  Variant<ClipperEntry> clip;
  Variant<ModifierEntry> modifier;
  Variant<AverageEntry> average;
};

void describe(Fields& f, AnyConfig& c) {
  f.field("optimizer", c.optimizer, "");
  f.field("schedule", c.schedule, "");
  f.field("clip", c.clip, "");
  f.field("modifier", c.modifier, "");
  f.field("average", c.average, "");
}

template <class C>
C read_as(const std::string& yaml) {
  const FamiliesLookup lookup(optim_families());
  const auto document = Document::parse(yaml, "test");
  Problems problems(document);
  C config;
  read_config(document, lookup, config, problems);
  problems.throw_if_any();
  return config;
}

AnyConfig read(const std::string& yaml) { return read_as<AnyConfig>(yaml); }

std::int64_t product(const std::vector<std::int64_t>& shape) {
  std::int64_t n = 1;
  for (const auto size : shape) n *= size;
  return n;
}

/// Of a parameter of a golden file: none but for an embedding and a head.
RoleSet roles_named(const std::string& name) {
  if (name == "embedding") return Role::kEmbedding;
  return name == "head" ? RoleSet(Role::kHead) : RoleSet{};
}

}  // namespace

const Families& optim_families() {
  static const auto families = [] {
    auto made = std::make_unique<Families>();
    register_all_optimizers(made->add<OptimizerEntry>());
    register_all_modifiers(made->add<ModifierEntry>());
    register_all_schedules(made->add<ScheduleEntry>());
    register_all_clippers(made->add<ClipperEntry>());
    register_all_averages(made->add<AverageEntry>());
    return made;
  }();
  return *families;
}

OptimConfig optim_config(const std::string& yaml) {
  auto config = read_as<OptimConfig>(yaml);
  choose_others(optim_families(), config);
  return config;
}
Variant<OptimizerEntry> read_optimizer(const std::string& yaml) { return read("optimizer: " + yaml).optimizer; }
Variant<ScheduleEntry> read_schedule(const std::string& yaml) { return read("schedule: " + yaml).schedule; }
Variant<ClipperEntry> read_clipper(const std::string& yaml) { return read("clip: " + yaml).clip; }
Variant<ModifierEntry> read_modifier(const std::string& yaml) { return read("modifier: " + yaml).modifier; }
Variant<AverageEntry> read_average(const std::string& yaml) { return read("average: " + yaml).average; }

OptimizerBench::OptimizerBench(const Variant<OptimizerEntry>& optimizer, const std::vector<Shape>& shapes,
                               const Options& options)
    : settings_(optimizer.settings().clone()),
      optimizer_(optimizer.entry().make(*settings_)),
      directions_(options.directions || !options.modifier.empty() || !optimizer_->is_fused()),
      sum_over_ranks_(options.sum_over_ranks) {
  if (!options.modifier.empty()) {
    modifier_variant_ = read_modifier(options.modifier);
    modifier_ = modifier_variant_->entry().make(modifier_variant_->settings());
  }
  std::int64_t size = 0;
  for (const auto& [name, shape, roles, part, head_rows] : shapes) {
    ParamInfo& info = infos_.emplace_back();
    info.name = name;
    info.shape = shape;
    info.roles = shape.size() == 2 ? Role::kInner : Role::kGain;
    if (roles != RoleSet{}) info.roles = roles;
    info.part = part;
    info.head_rows = head_rows;
    info.fan_in = shape.back();
    info.fan_out = shape.front();
    if (options.describe) options.describe(info);
    Master& master = masters_.emplace_back();
    master.name = name;
    master.param = &info;
    master.index = masters_.size() - 1;
    master.shape = shape;
    master.offset = (size + options.padding - 1) / options.padding * options.padding;
    master.numel = product(shape);
    size = master.offset + master.numel;
  }
  const auto tensor_options = at::TensorOptions(options.dtype);
  values_ = at::zeros({size}, tensor_options);
  grads_ = at::zeros({size}, tensor_options);
  const at::Tensor directions = at::zeros({size}, tensor_options);
  for (auto& master : masters_) {
    master.value = values_.narrow(0, master.offset, master.numel).view(master.shape);
    master.grad = grads_.narrow(0, master.offset, master.numel).view(master.shape);
    Slot& slot = slots_.emplace_back();
    slot.master = &master;
    slot.weight_decay = slot.peak_weight_decay = options.weight_decay;
    if (directions_) slot.direction = directions.narrow(0, master.offset, master.numel).view(master.shape);
    slot.follows = options.joined && slots_.size() > 1;
  }
  for (const auto& spec : optimizer_->state_specs()) {
    auto state_options = spec.dtype ? tensor_options.dtype(*spec.dtype) : tensor_options;
    if (options.bfloat16_states && spec.may_be_bfloat16) state_options = state_options.dtype(at::kBFloat16);
    if (!spec.shape) states_.push_back(at::zeros({size}, state_options));
    for (auto& slot : slots_) {
      const Master& m = *slot.master;
      slot.states.push_back(spec.shape ? at::zeros(spec.shape(m), state_options)
                                       : states_.back().narrow(0, m.offset, m.numel).view(m.shape));
    }
  }
  modifier_states_.resize(slots_.size());
  if (!modifier_) return;
  for (const auto& spec : modifier_->state_specs()) {
    const at::Tensor flat = at::zeros({size}, tensor_options);
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      const Master& m = *slots_[i].master;
      modifier_states_[i].push_back(spec.shape ? at::zeros(spec.shape(m), tensor_options)
                                               : flat.narrow(0, m.offset, m.numel).view(m.shape));
    }
  }
}

const Master& OptimizerBench::master(const std::string& name) const {
  for (const auto& master : masters_) {
    if (master.name == name) return master;
  }
  throw std::out_of_range(name);
}

std::vector<at::Tensor> OptimizerBench::tensors() const {
  std::vector<at::Tensor> out;
  for (const auto& slot : slots_) {
    out.push_back(slot.master->value);
    out.insert(out.end(), slot.states.begin(), slot.states.end());
  }
  for (const auto& states : modifier_states_) out.insert(out.end(), states.begin(), states.end());
  return out;
}

at::Tensor OptimizerBench::evaluation_weights(const std::string& name) const {
  const auto context = this->context(update_, 1);
  at::Tensor weights = value(name).clone();
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].master->name != name) continue;
    Slot slot = slots_[i];
    slot.states = modifier_states_[i];
    if (modifier_) modifier_->evaluation_weights(slot, context, weights);
    optimizer_->evaluation_weights(slots_[i], context, weights);
  }
  return weights;
}

void OptimizerBench::modify(void (Modifier::*what)(std::vector<Slot>&, const UpdateContext&) const,
                            const UpdateContext& context) {
  if (!modifier_) return;
  const auto swap_states = [&] {
    for (std::size_t i = 0; i < slots_.size(); ++i) std::swap(slots_[i].states, modifier_states_[i]);
  };
  swap_states();
  (modifier_.get()->*what)(slots_, context);
  swap_states();
}

/// The schedule is that of the rates that are known.
UpdateContext OptimizerBench::context(std::int64_t update, double grad_scale) const {
  UpdateContext context;
  context.update = update;
  context.grad_scale = grad_scale;
  context.total_updates = 100;
  context.sum_over_ranks = sum_over_ranks_;
  context.num_masters = masters_.size();
  context.seed = kSeed;
  context.position = update - 1;
  context.rate_factor = [this](std::int64_t position) {
    const auto last = static_cast<std::int64_t>(rates_.size()) - 1;
    if (last < 0) return 1.0;
    const double peak = *std::max_element(rates_.begin(), rates_.end());
    return peak > 0 ? rates_[static_cast<std::size_t>(std::min(position, last))] / peak : 0;
  };
  return context;
}

void OptimizerBench::randomise_values(std::uint64_t seed) {
  for (auto& m : masters_) m.value.copy_(random_normal(m.shape, stream_key(seed, m.name)));
}

void OptimizerBench::randomise_grads(std::uint64_t seed) {
  for (auto& m : masters_) m.grad.copy_(random_normal(m.shape, stream_key(seed, "grad/" + m.name)));
}

void OptimizerBench::start_states() {
  const auto specs = optimizer_->state_specs();
  for (auto& slot : slots_) {
    for (std::size_t k = 0; k < specs.size(); ++k) {
      if (specs[k].start) specs[k].start(slot.states[k], *slot.master);
    }
  }
}

void OptimizerBench::observe_sampled(std::int64_t update, double grad_scale) {
  optimizer_->observe_sampled(slots_, context(update, grad_scale));
}

void OptimizerBench::step(std::int64_t update, double lr, double grad_scale) {
  for (auto& slot : slots_) {
    slot.lr = lr;
    slot.decay_factor = 1;
  }
  rates_.resize(std::max(rates_.size(), static_cast<std::size_t>(update)), lr);
  update_ = update;
  const auto context = this->context(update, grad_scale);
  if (update == 1) start_states();
  if (directions_) {
    optimizer_->direct(slots_, context);
    modify(&Modifier::modify, context);
    apply_directions(slots_, optimizer_->decay());
    modify(&Modifier::follow, context);
  } else {
    optimizer_->step(slots_, context);
  }
}

void check_golden_trajectories(const std::string& file, const std::string& type, double relative) {
  const Golden golden(file);
  const auto cases = nlohmann::json::parse(golden.metadata("settings"));
  ASSERT_FALSE(cases.empty());
  for (const auto& [name, golden_settings] : cases.items()) {
    SCOPED_TRACE(name);
    auto settings = golden_settings;
    const auto max_norm = settings.at("max_norm");
    settings.erase("max_norm");
    settings.erase("sources");
    const auto modifier = settings.value("modifier", nlohmann::json());
    settings.erase("modifier");
    settings["type"] = type;
    OptimizerBench::Options options;
    options.dtype = name.ends_with("fp64") ? at::kDouble : at::kFloat;
    options.weight_decay = settings.value("weight_decay", 0.0);
    if (!modifier.is_null()) options.modifier = modifier.dump();
    const auto tensor = [&](const std::string& what) { return golden.at(name + "/" + what); };
    std::vector<OptimizerBench::Shape> shapes;
    for (const auto& [p, start] : golden.below(name + "/w0/"))
      shapes.push_back({p, start.sizes().vec(), roles_named(p)});
    std::vector<std::string> names;
    for (const auto& shape : shapes) names.push_back(shape.name);
    OptimizerBench bench(read_optimizer(settings.dump()), shapes, options);
    for (const auto& p : names) bench.value(p).copy_(tensor("w0/" + p));
    const auto rates = tensor("lr");
    bench.plan_rates({rates.const_data_ptr<double>(), rates.const_data_ptr<double>() + rates.numel()});
    for (std::int64_t t = 0; t < rates.size(0); ++t) {
      SCOPED_TRACE(t);
      double clip = 1;
      if (!max_norm.is_null()) clip = std::min(1.0, max_norm.get<double>() / (tensor("norm")[t].item<double>() + 1e-6));
      for (const auto& p : names) bench.grad(p).copy_(tensor("grad/" + p)[t]);
      bench.step(t + 1, rates[t].item<double>(), clip);
      for (const auto& p : names) {
        auto tolerance = Tolerance::of(options.dtype).chain(t + 1);
        if (relative > 0) tolerance.relative = relative;
        EXPECT_TRUE(close(bench.value(p), tensor("w/" + p)[t], tolerance)) << p;
        if (!golden.has(name + "/x/" + p)) continue;
        EXPECT_TRUE(close(bench.evaluation_weights(p), tensor("x/" + p)[t], tolerance)) << p;
      }
    }
  }
}

double largest_difference(const at::Tensor& actual, const std::vector<double>& expected) {
  return (actual.flatten() - at::tensor(expected, at::kDouble)).abs().max().item<double>();
}

at::Tensor after_shared_updates(const std::string& optimizer, double lr, double weight_decay,
                                const std::string& modifier) {
  OptimizerBench::Options options;
  options.weight_decay = weight_decay;
  options.modifier = modifier;
  OptimizerBench bench(read_optimizer(optimizer), {{"w", {2, 3}}}, options);
  bench.value("w").copy_(at::tensor({.5, -.3, .8, -.2, .1, .4}, at::kDouble).view({2, 3}));
  bench.grad("w").copy_(at::tensor({.1, -.2, .3, .4, .5, -.6}, at::kDouble).view({2, 3}));
  bench.step(1, lr);
  bench.grad("w").copy_(at::tensor({-.3, .2, .1, .05, -.1, .2}, at::kDouble).view({2, 3}));
  bench.step(2, lr);
  return bench.value("w").flatten();
}

}  // namespace ingot::testing
