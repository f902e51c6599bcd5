#include "optim/bench.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

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
};

void describe(Fields& f, AnyConfig& c) {
  f.field("optimizer", c.optimizer, "");
  f.field("schedule", c.schedule, "");
  f.field("clip", c.clip, "");
  f.field("modifier", c.modifier, "");
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
    const auto state_options = spec.dtype ? tensor_options.dtype(*spec.dtype) : tensor_options;
    if (!spec.shape) states_.push_back(at::zeros({size}, state_options));
    for (auto& slot : slots_) {
      const Master& m = *slot.master;
      slot.states.push_back(spec.shape ? at::zeros(spec.shape(m), state_options)
                                       : states_.back().narrow(0, m.offset, m.numel).view(m.shape));
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
  return out;
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

UpdateContext OptimizerBench::context(std::int64_t update, double grad_scale) const {
  return {update, grad_scale, 100, sum_over_ranks_, masters_.size()};
}

void OptimizerBench::observe_sampled(std::int64_t update, double grad_scale) {
  optimizer_->observe_sampled(slots_, context(update, grad_scale));
}

void OptimizerBench::step(std::int64_t update, double lr, double grad_scale) {
  for (auto& slot : slots_) slot.lr = lr;
  const auto context = this->context(update, grad_scale);
  if (update == 1) start_states();
  if (directions_) {
    optimizer_->direct(slots_, context);
    if (modifier_) modifier_->modify(slots_, context);
    apply_directions(slots_, optimizer_->decay());
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
    settings["type"] = type;
    OptimizerBench::Options options;
    options.dtype = name.ends_with("fp64") ? at::kDouble : at::kFloat;
    options.weight_decay = settings.value("weight_decay", 0.0);
    const auto tensor = [&](const std::string& what) { return golden.at(name + "/" + what); };
    std::vector<OptimizerBench::Shape> shapes;
    for (const auto& [p, start] : golden.below(name + "/w0/"))
      shapes.push_back({p, start.sizes().vec(), roles_named(p)});
    std::vector<std::string> names;
    for (const auto& shape : shapes) names.push_back(shape.name);
    OptimizerBench bench(read_optimizer(settings.dump()), shapes, options);
    for (const auto& p : names) bench.value(p).copy_(tensor("w0/" + p));
    const auto rates = tensor("lr");
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
