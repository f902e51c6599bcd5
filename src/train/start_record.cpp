#include "train/start_record.h"

#include <cstdio>

#include "base/text.h"
#include "config/dump.h"
#include "device/gpu.h"
#include "dist/preflight.h"
#include "recipe/options.h"
#include "train/micro_batches.h"
#include "train/run_summary.h"

namespace ingot {
namespace {

void say_what_the_launch_does(const TrainRun& run) {
  const auto threads = run.config.train.threads.value();
  const auto given = process_environment()("OMP_NUM_THREADS");
  if (given && *given != std::to_string(threads)) {
    run.record.say(cat("  OMP_NUM_THREADS=", *given, " is overridden by train.threads: ", threads));
  }
  const auto micro_batches = MicroBatches::in_step(run.setup.rows_per_step, run.setup.micro_batch);
  if (micro_batches % run.world.size() != 0) {
    run.record.warn(cat("a step has ", micro_batches, " micro-batches for ", run.world.size(),
                        " ranks: some wait for others; a train.micro_batch that divides ", run.setup.rows_per_rank(),
                        " shares the work evenly"));
  }
}

}  // namespace

void begin_record(const TrainRun& run) {
  std::optional<std::int64_t> resumed_step;
  if (run.resume) resumed_step = run.resume->step;
  run.record.open_metrics(resumed_step, run.config.log.tensorboard);
  run.record.config(dump_config(run.config));
  if (!run.record.active()) return;
  for (const auto& line : start_table(run.setup, *run.data)) run.record.say(line);
  if (run.world.size() > 1) {
    run.record.say(
        cat("  world        ", run.world.size(), " ranks, started by ", launcher_name(run.world.place().launcher)));
    say_what_the_launch_does(run);
  }
  nlohmann::ordered_json ranks = nlohmann::ordered_json::array();
  for (const auto& rank : run.world.ranks()) ranks.push_back({{"host", rank.host}, {"pid", rank.pid}});
  run.record.add_facts({{"precision", precision_name(run.config.train.precision)},
                        {"layout", execution_layout(run.config, run.setup.micro_batch, run.world.size())},
                        {"launcher", launcher_name(run.world.place().launcher)},
                        {"ranks", ranks},
                        {"data_identity", run.data->identity()},
                        {"tokenizer", run.data->tokenizer().hash()}});
  if (run.config.train.device == DeviceKind::kCuda) {
    const auto gpu = gpu_info();
    run.record.add_facts(
        {{"gpu",
          {{"name", gpu.name}, {"memory_bytes", gpu.total_bytes}, {"driver", gpu.driver}, {"cuda", gpu.runtime}}}});
  }
  if (run.resume) {
    run.record.add_facts({{"resumed_from", run.resume->checkpoint.string()}});
    run.record.event(run.counters, "resumed", {{"checkpoint", run.resume->checkpoint.string()}});
  }
}

void measure_network(const TrainRun& run) {
  run.world.set_phase(run.counters.step, "measuring the network");
  const auto measured = preflight(run.world, run.setup.model->device());
  run.record.say(cat("  network      ", measured.text()));
  for (const auto rank : slow_ranks(measured)) {
    const auto index = static_cast<std::size_t>(rank);
    char milliseconds[32];
    std::snprintf(milliseconds, sizeof milliseconds, "%.1f ms", 1e3 * measured.with_first[index]);
    run.record.warn(cat("rank ", rank, " (", run.world.ranks()[index].host, ") exchanges ",
                        format_bytes(static_cast<double>(measured.bytes)), " with rank 0 in ", milliseconds,
                        ", far over the median rank: every step waits for it"));
  }
  run.record.add_facts({{"all_reduce_seconds", measured.all_reduce}, {"all_reduce_bytes", measured.bytes}});
}

}  // namespace ingot
