#include "optim/bench.h"

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
};

void describe(Fields& f, AnyConfig& c) {
  f.field("optimizer", c.optimizer, "");
  f.field("schedule", c.schedule, "");
  f.field("clip", c.clip, "");
}

AnyConfig read(const std::string& yaml) {
  const FamiliesLookup lookup(optim_families());
  const auto document = Document::parse(yaml, "test");
  Problems problems(document);
  AnyConfig config;
  read_config(document, lookup, config, problems);
  problems.throw_if_any();
  return config;
}

std::int64_t product(const std::vector<std::int64_t>& shape) {
  std::int64_t n = 1;
  for (const auto size : shape) n *= size;
  return n;
}

}  // namespace

const Families& optim_families() {
  static const auto families = [] {
    auto made = std::make_unique<Families>();
    register_all_optimizers(made->add<OptimizerEntry>());
    register_all_schedules(made->add<ScheduleEntry>());
    register_all_clippers(made->add<ClipperEntry>());
    return made;
  }();
  return *families;
}

Variant<OptimizerEntry> read_optimizer(const std::string& yaml) { return read("optimizer: " + yaml).optimizer; }
Variant<ScheduleEntry> read_schedule(const std::string& yaml) { return read("schedule: " + yaml).schedule; }
Variant<ClipperEntry> read_clipper(const std::string& yaml) { return read("clip: " + yaml).clip; }

OptimizerBench::OptimizerBench(const Variant<OptimizerEntry>& optimizer, const std::vector<Shape>& shapes,
                               const Options& options)
    : optimizer_((options.plain ? optimizer.entry().make_plain : optimizer.entry().make)(optimizer.settings())) {
  std::int64_t size = 0;
  for (const auto& [name, shape] : shapes) {
    ParamInfo& info = infos_.emplace_back();
    info.name = name;
    info.shape = shape;
    info.roles = shape.size() == 2 ? Role::kInner : Role::kGain;
    Master& master = masters_.emplace_back();
    master.name = name;
    master.param = &info;
    master.shape = shape;
    master.offset = (size + options.padding - 1) / options.padding * options.padding;
    master.numel = product(shape);
    size = master.offset + master.numel;
  }
  const auto tensor_options = at::TensorOptions(options.dtype);
  values_ = at::zeros({size}, tensor_options);
  grads_ = at::zeros({size}, tensor_options);
  for (auto& master : masters_) {
    master.value = values_.narrow(0, master.offset, master.numel).view(master.shape);
    master.grad = grads_.narrow(0, master.offset, master.numel).view(master.shape);
    Slot& slot = slots_.emplace_back();
    slot.master = &master;
    slot.weight_decay = options.weight_decay;
    slot.follows = options.joined && slots_.size() > 1;
  }
  for (const auto& spec : optimizer_->state_specs()) {
    if (!spec.shape) states_.push_back(at::zeros({size}, tensor_options));
    for (auto& slot : slots_) {
      const Master& m = *slot.master;
      slot.states.push_back(spec.shape ? at::zeros(spec.shape(m), tensor_options)
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

void OptimizerBench::step(std::int64_t update, double lr, double grad_scale) {
  for (auto& slot : slots_) slot.lr = lr;
  optimizer_->step(slots_, {update, grad_scale});
}

void check_golden_trajectories(const std::string& file, const std::string& type) {
  const Golden golden(file);
  const auto cases = nlohmann::json::parse(golden.metadata("settings"));
  ASSERT_FALSE(cases.empty());
  for (const auto& [name, golden_settings] : cases.items()) {
    SCOPED_TRACE(name);
    auto settings = golden_settings;
    const auto max_norm = settings.at("max_norm");
    settings.erase("max_norm");
    settings["type"] = type;
    OptimizerBench::Options options;
    options.dtype = name.ends_with("fp64") ? at::kDouble : at::kFloat;
    options.weight_decay = settings.value("weight_decay", 0.0);
    OptimizerBench bench(read_optimizer(settings.dump()), {{"matrix", {5, 4}}, {"vector", {6}}}, options);
    const auto tensor = [&](const std::string& what) { return golden.at(name + "/" + what); };
    for (const char* p : {"matrix", "vector"}) bench.value(p).copy_(tensor(std::string("w0/") + p));
    const auto rates = tensor("lr");
    for (std::int64_t t = 0; t < rates.size(0); ++t) {
      SCOPED_TRACE(t);
      double clip = 1;
      if (!max_norm.is_null()) clip = std::min(1.0, max_norm.get<double>() / (tensor("norm")[t].item<double>() + 1e-6));
      for (const char* p : {"matrix", "vector"}) bench.grad(p).copy_(tensor(std::string("grad/") + p)[t]);
      bench.step(t + 1, rates[t].item<double>(), clip);
      for (const char* p : {"matrix", "vector"}) {
        EXPECT_TRUE(close(bench.value(p), tensor(std::string("w/") + p)[t], Tolerance::of(options.dtype).chain(t + 1)))
            << p;
      }
    }
  }
}

::testing::AssertionResult plain_tensors_agree(const Variant<OptimizerEntry>& optimizer) {
  OptimizerBench::Options options;
  options.weight_decay = 0.1;
  OptimizerBench kernels(optimizer, {{"w", {9, 5}}}, options);
  options.plain = true;
  OptimizerBench plain(optimizer, {{"w", {9, 5}}}, options);
  for (auto* bench : {&kernels, &plain}) {
    bench->randomise_values(1);
    for (std::int64_t t = 1; t <= 4; ++t) {
      bench->randomise_grads(static_cast<std::uint64_t>(t));
      bench->step(t, 0.1, 0.5);
    }
  }
  return close(kernels.value("w"), plain.value("w"), Tolerance::of(at::kDouble).chain(4));
}

}  // namespace ingot::testing
