#include "train/make_setup.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "config/limits.h"
#include "device/blas.h"
#include "device/gpu.h"
#include "device/machine.h"
#include "device/matmul.h"
#include "optim/course.h"
#include "recipe/options.h"
#include "train/constraint_checks.h"
#include "train/memory_plan.h"
#include "train/part_costs.h"
#include "train/places.h"
#include "train/precision.h"
#include "train/setup_warnings.h"

namespace ingot {
namespace {

void lay_out(TrainSetup& setup, at::ScalarType float_type) {
  const auto& config = setup.config;
  try {
    setup.store->layout(config.weights, setup.model->num_sublayers(), store_options(config, float_type));
  } catch (const ConfigError& error) {
    throw ConfigError(with_places(config, error.what()));
  }
  check_constraints(config, setup.store->choices());
}

void choose_device(TrainSection& train) {
  if (train.device == DeviceKind::kCuda && !gpu_available()) {
    throw ConfigError(cat("train.device: cuda was asked for, but ", gpu_unavailable_reason(), "; use 'cpu' or 'auto'"));
  }
  if (train.device == DeviceKind::kAuto) train.device = gpu_available() ? DeviceKind::kCuda : DeviceKind::kCpu;
}

/// Threads that wait for a turn wait in loops.
void warn_of_threads(std::int64_t threads) {
  constexpr std::int64_t kMostPerCore = 4;
  const std::int64_t cores = usable_cores();
  if (threads <= kMostPerCore * cores) return;
  log::warning_once("threads", cat("train.threads: ", threads, " threads on ", cores, cores == 1 ? " core" : " cores",
                                   " will be far slower than as many as there are cores"));
}

void choose_precision(TrainSetup& setup, bool measure) {
  auto& precision = setup.config.train.precision;
  if (precision != Precision::kAuto) return;
  if (setup.config.train.device == DeviceKind::kCuda) {
    precision = Precision::kBfloat16;  // many times faster than fp32 on every GPU that has it
    return;
  }
  if (!measure || !multiplies_bfloat16()) {
    precision = Precision::kFloat32;
    return;
  }
  const auto probe = probe_precision(*setup.store, useful_rows(setup) * setup.config.data.seq_len);
  precision = probe.prefers_bfloat16() ? Precision::kBfloat16 : Precision::kFloat32;
  log::debug(cat("precision auto: products of a micro-batch take ", format_duration(probe.float32_seconds),
                 " in fp32 and ", format_duration(probe.bfloat16_seconds), " in bf16"));
}

void share_out(TrainSetup& setup, const DataFacts& facts) {
  const auto& config = setup.config;
  if (config.distributed.shard == Sharding::kGradients && config.train.device == DeviceKind::kCuda) {
    throw ConfigError("distributed.shard: gradients is there for CPUs only, expected none or optimizer on GPUs");
  }
  auto& store = *setup.store;
  setup.shards = std::make_unique<Shards>(store, setup.optimizer->granularities(), facts.world_size,
                                          bucket_bytes(store, setup.config.distributed));
  store.own(setup.shards->ranges(facts.rank), facts.rank == 0);
  setup.optimizer->follow_store();
}

/// Throws ConfigError if it is a length that no machine can mean.
std::int64_t steps_of_run(const TrainSetup& setup) {
  const auto& config = setup.config;
  const auto steps = setup.batches.updates(config.train.duration, setup.durations, first_position(config));
  // Tokens are counted in 64 bits.
  const auto most = std::min(limits::kUpdates, std::numeric_limits<std::int64_t>::max() / setup.tokens_per_step / 2);
  if (steps <= most) return steps;
  throw ConfigError(place_of(config, "train.duration"), cat("train.duration: out of range: ", format_grouped(steps),
                                                            " steps, expected ", format_grouped(most), " at most"));
}

/// Norms take the scale of W_q and W_k out again.
void check_qk_clip(const TrainSetup& setup) {
  const auto& config = setup.config;
  if (!config.optim.qk_clip) return;
  for (int depth = 0; depth < setup.model->num_sublayers(); ++depth) {
    for (const auto site : {Site::kQ, Site::kK}) {
      const auto* norm = setup.model->resolved().norm_at(site, depth);
      if (norm == nullptr) continue;
      throw ConfigError(place_of(config, "optim.qk_clip"),
                        cat("optim.qk_clip: sub-layer ", depth, " has ", norm->name(), " at the site ", site_name(site),
                            ", which bounds its scores already, expected none"));
    }
  }
}

void warn_of_schedules(const TrainSetup& setup, bool epoch_is_nominal) {
  const auto& config = setup.config;
  if (epoch_is_nominal && config.train.duration.unit == Duration::Unit::kEpochs) return;
  auto context = setup.schedule;
  if (epoch_is_nominal) context.tokens_per_epoch = 0;
  try {
    auto warnings = schedule_warnings(config.optim, context);
    const auto more = optimizer_warnings(config.optim, context);
    warnings.insert(warnings.end(), more.begin(), more.end());
    for (const auto& [path, message] : warnings) {
      const auto line = placed(config, path, message);
      log::warning_once(line, line);
    }
  } catch (const ConfigError&) {
    if (!epoch_is_nominal) throw;  // else a phase in epochs of unknown length
  }
}

/// A batch, or rows, that never get their full size.
void warn_of_warmups(const TrainSetup& setup) {
  const auto warn = [](const char* key, std::int64_t reached, std::int64_t full) {
    if (reached == full) return;
    const auto line = cat(key, ": the run ends before the last of its stages: it never reaches ", full);
    log::warning_once(line, line);
  };
  warn("train.batch_warmup", setup.rows_of_step(setup.total_steps - 1), setup.rows_per_step);
  warn("train.context_warmup", setup.length_of_step(setup.total_steps - 1), setup.config.data.seq_len);
}

}  // namespace

TrainSetup make_setup(const RunConfig& config, const Families& families, const DataFacts& facts) {
  TrainSetup out;
  out.config = config;
  auto& train = out.config.train;
  const auto seq_len = config.data.seq_len;
  choose_device(train);
  if (train.threads.is_auto()) train.threads = std::max(1, usable_cores() / facts.local_world_size);
  warn_of_threads(train.threads.value());
  set_threads(static_cast<int>(train.threads.value()));
  train.blas = use_blas(train.blas);

  out.vocab_size = facts.vocab_size;
  out.world_size = facts.world_size;
  out.rows_per_step = train.global_batch.sequences(seq_len);
  out.tokens_per_step = out.rows_per_step * seq_len;
  out.store = std::make_unique<ParameterStore>();
  out.model = std::make_unique<LanguageModel>(
      out.config.model, model_options(config, facts.vocab_size, facts.float_type), families, *out.store);
  check_qk_clip(out);
  choose_precision(out, facts.measure != Measure::kNothing);

  lay_out(out, facts.float_type);

  out.durations.tokens_per_step = static_cast<double>(out.tokens_per_step);
  out.durations.parameters = static_cast<double>(out.store->num_parameters());
  if (facts.tokens_per_epoch) out.durations.tokens_per_epoch = static_cast<double>(*facts.tokens_per_epoch);
  out.batches = BatchPlan(train, seq_len, out.durations);
  out.total_steps = steps_of_run(out);
  out.durations.total_steps = out.total_steps;
  out.model->set_point({0, out.total_steps, static_cast<std::uint64_t>(config.run.seed)});

  out.schedule = schedule_context(out, train.duration);
  auto course = out.durations;
  course.total_steps = out.schedule.total_updates();
  out.store->schedule_constraints(course);
  out.optimizer =
      std::make_unique<OptimizerEngine>(out.config.optim, *out.store, out.model->num_sublayers(), out.schedule);
  out.optimizer->offset_schedules(first_position(config));
  out.optimizer->set_seed(static_cast<std::uint64_t>(config.run.seed));
  warn_of_schedules(out, facts.epoch_is_nominal);
  warn_of_warmups(out);
  if (out.optimizer->logit_probe().tokens > 0 && train.precision == Precision::kBfloat16) {
    throw ConfigError(place_of(config, "optim.clip"),
                      cat("optim.clip: ", config.optim.clip.name(),
                          " compares logits before and after small steps, which bf16 does not tell apart, expected "
                          "train.precision: fp32"));
  }
  if (config.distributed.shard != Sharding::kNone && facts.world_size > 1) share_out(out, facts);
  if (facts.warns) {
    for (const auto& warning : setup_warnings(out)) log::warning_once(warning, warning);
  }
  if (train.micro_batch.is_auto()) {
    if (facts.measure != Measure::kNothing) out.costs = measure_costs(out, families, facts.measure);
    train.micro_batch = out.costs ? choose_micro_batch(out, *out.costs) : useful_rows(out);
  }
  out.micro_batch = std::min(train.micro_batch.value(), out.rows_per_step);
  return out;
}

}  // namespace ingot
