#include "bench/step.h"

#include <algorithm>
#include <map>

#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "bench/gpu_profile.h"
#include "bench/op_profile.h"
#include "device/gpu.h"
#include "device/machine.h"
#include "device/tensor_memory.h"
#include "recipe/options.h"
#include "train/memory_plan.h"
#include "train/part_costs.h"
#include "train/plan.h"
#include "train/step.h"

namespace ingot {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kBatches = 4;  // different ones, in turns

/// Steps of a set-up, as the training loop makes them.
class Stepper {
 public:
  explicit Stepper(TrainSetup& setup) : setup_(setup), step_(setup) {
    for (int i = 0; i < kBatches; ++i) batches_.push_back(batch(setup.micro_batch, i));
    const auto rest = setup.rows_per_step % setup.micro_batch;
    if (rest > 0) last_ = batch(rest, kBatches);
  }

  void run(OpProfiler* profiler = nullptr) {
    for (std::int64_t rows = 0; rows < setup_.rows_per_step; rows += setup_.micro_batch) {
      if (profiler != nullptr) profiler->begin_micro_batch();
      const bool whole = rows + setup_.micro_batch <= setup_.rows_per_step;
      step_.accumulate(whole ? batches_[next_++ % batches_.size()] : last_);
      if (profiler != nullptr) profiler->end();
    }
    if (profiler != nullptr) profiler->begin_update();
    // Schedules are defined up to the last step of the run.
    const auto result = step_.finish(std::min(++updates_, setup_.total_steps));
    if (profiler != nullptr) profiler->end();
    if (!result.applied) ++skipped_;
    if (setup_.config.train.device == DeviceKind::kCuda) gpu_synchronize();
  }

  int skipped() const { return skipped_; }

 private:
  Batch batch(std::int64_t rows, int seed) const {
    const auto& data = setup_.config.data;
    return random_batch(rows, data.seq_len, setup_.vocab_size, data.reset_at_document,
                        static_cast<std::uint64_t>(seed));
  }

  TrainSetup& setup_;
  TrainStep step_;
  std::vector<Batch> batches_;
  Batch last_;  // of a step, where it is smaller
  std::size_t next_ = 0;
  std::int64_t updates_ = 0;
  int skipped_ = 0;
};

Json settings_json(const TrainSetup& e) {
  const auto& train = e.config.train;
  return {{"parameters", e.store->num_parameters()},
          {"layers", join(e.model->pattern(), "")},
          {"d_model", e.config.model.d_model},
          {"vocab_size", e.vocab_size},
          {"seq_len", std::int64_t{e.config.data.seq_len}},
          {"tokens_per_step", e.tokens_per_step},
          {"micro_batch", e.micro_batch},
          {"precision", precision_name(train.precision)}};
}

/// Sub-layer operator by operator: what it takes, and what its FLOPs would take at the measured peak.
Json places_json(const OpProfiler& profiler, const TrainSetup& e, double step_seconds, double peak_flops) {
  std::map<std::string, double> seconds, flops;
  for (const auto& row : profiler.operations()) seconds[row.place] += row.seconds;
  for (const auto& row : e.model->flops(e.config.data.seq_len).rows) flops[row.op] += 3 * row.flops;
  std::vector<std::pair<double, std::string>> order;
  for (const auto& [place, time] : seconds) order.emplace_back(time, place);
  std::sort(order.rbegin(), order.rend());
  Json out = Json::array();
  for (const auto& [time, place] : order) {
    const double share = time / profiler.seconds();
    const auto found = flops.find(place);
    const double work = found == flops.end() ? 0 : found->second * static_cast<double>(e.tokens_per_step);
    out.push_back({{"operator", place},
                   {"seconds", share * step_seconds},
                   {"share", share},
                   {"seconds_at_peak", work / peak_flops}});
  }
  return out;
}

/// By operation and place.
Json operations_json(const OpProfiler& profiler, double step_seconds, int steps) {
  struct Both {
    double forward = 0, backward = 0;
    std::int64_t calls = 0;
  };
  std::map<std::pair<std::string, std::string>, Both> sums;
  for (const auto& row : profiler.operations()) {
    Both& both = sums[{row.name, row.place}];
    (row.backward ? both.backward : both.forward) += row.seconds;
    both.calls += row.calls;
  }
  const double scale = step_seconds / profiler.seconds();
  Json out = Json::array();
  for (const auto& [key, both] : sums) {
    out.push_back({{"operation", key.first},
                   {"operator", key.second},
                   {"forward_seconds", both.forward * scale},
                   {"backward_seconds", both.backward * scale},
                   {"share", (both.forward + both.backward) / profiler.seconds()},
                   {"calls", static_cast<double>(both.calls) / steps}});
  }
  std::sort(out.begin(), out.end(),
            [](const Json& a, const Json& b) { return a["share"].get<double>() > b["share"].get<double>(); });
  return out;
}

void add_profile(BenchReport& report, TrainSetup& setup, Stepper& stepper, int steps, double peak_flops) {
  OpProfiler profiler;
  for (int i = 0; i < steps; ++i) stepper.run(&profiler);
  const double median = report.results.front().seconds.median;
  report.details["profiled_seconds_per_step"] = profiler.seconds() / steps;
  report.details["operators"] = places_json(profiler, setup, median, peak_flops);
  report.details["operations"] = operations_json(profiler, median, steps);
}

/// Of one step.
void add_gpu_profile(BenchReport& report, Stepper& stepper, const std::string& trace_path) {
  const auto profile = profile_gpu([&] { stepper.run(); }, trace_path);
  Json kernels = Json::array();
  for (const auto& kernel : profile.kernels) {
    kernels.push_back({{"kernel", kernel.name},
                       {"seconds", kernel.seconds},
                       {"share", kernel.seconds / profile.seconds},
                       {"calls", kernel.calls}});
  }
  report.details["gpu_seconds"] = profile.seconds;
  report.details["gpu_busy_share"] = profile.busy / profile.seconds;
  report.details["kernels"] = kernels;
}

}  // namespace

Batch random_batch(std::int64_t rows, std::int64_t seq_len, std::int64_t vocab_size, bool documents,
                   std::uint64_t seed) {
  RandomStream random(seed, "random batch");
  const auto token = [&] { return static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(vocab_size))); };
  Batch batch;
  batch.rows = rows;
  batch.seq_len = seq_len;
  for (std::int64_t row = 0; row < rows; ++row) {
    batch.samples.push_back(row);
    std::int32_t document = 0;
    for (std::int64_t t = 0; t < seq_len; ++t) {
      // Two documents to a row on average.
      const bool last = documents && random.uniform() * static_cast<double>(seq_len) < 1;
      batch.tokens.push_back(token());
      batch.targets.push_back(last ? -1 : token());
      batch.documents.push_back(document);
      if (last) ++document;
      if (!last) ++batch.target_count;
    }
  }
  return batch;
}

BenchReport bench_step(const RunConfig& config, const StepBenchOptions& options, const Families& families) {
  BenchReport report;
  report.kind = "step";
  report.machine = prepare_machine(config.train);
  const auto program_bytes = memory_use().resident;  // code, threads and what LibTorch keeps for itself
  PlanOptions plan;
  plan.vocab_size = options.vocab_size;
  auto setup = plan_setup(config, families, plan);
  report.settings = settings_json(setup);
  const auto device = torch_device(setup.config.train.device);
  if (!setup.costs) setup.costs = measure_costs(setup, families, Measure::kMemory);
  const auto bytes_before = tensor_memory(device).allocated;
  setup.store->allocate();
  setup.store->initialise(static_cast<std::uint64_t>(config.run.seed));
  setup.optimizer->allocate();

  Stepper stepper(setup);
  for (int i = 0; i < options.warm_up; ++i) stepper.run();
  reset_tensor_peak(device);
  std::vector<double> seconds, faults;
  for (int i = 0; i < options.steps; ++i) {
    const auto faults_before = memory_use().minor_faults;
    const double start = seconds_now();
    stepper.run();
    seconds.push_back(seconds_now() - start);
    faults.push_back(static_cast<double>(memory_use().minor_faults - faults_before));
  }
  const auto times = summarise(seconds);
  const auto tokens = static_cast<double>(setup.tokens_per_step);
  const double peak_flops = 1e9 * report.machine.peak(setup.config.train.precision);
  const double flops = tokens * setup.model->flops(setup.config.data.seq_len).training_per_token();
  Json facts = {{"tokens_per_second",
                 {{"median", tokens / times.median},
                  {"lower_quartile", tokens / times.upper},
                  {"upper_quartile", tokens / times.lower}}},
                {"mfu", flops / peak_flops / times.median},
                {"flops", flops},
                {"seconds_at_peak", flops / peak_flops},
                {"peak_gflops", peak_flops * 1e-9},
                {"minor_faults", summarise(faults).median},
                {"peak_resident_bytes", memory_use().peak_resident},
                {"program_bytes", program_bytes},
                {"peak_tensor_bytes", tensor_memory(device).peak_allocated - bytes_before},
                {"planned_bytes", plan_memory(setup).step_tensors()}};
  report.results.push_back({"step", times, facts});
  const bool on_cpu = setup.config.train.device == DeviceKind::kCpu;
  if (on_cpu && options.profiled > 0) add_profile(report, setup, stepper, options.profiled, peak_flops);
  if (!on_cpu && options.profiled > 0) {
    add_gpu_profile(report, stepper, options.trace);
  } else if (!options.trace.empty()) {
    profile_gpu([&] { stepper.run(); }, options.trace);
  }
  if (stepper.skipped() > 0) log::warning(cat(stepper.skipped(), " steps were not finite, so nothing was updated"));
  return report;
}

namespace {

/// Places summed up, largest first; below a thousandth of the step left out.
Table operations_table(const Json& operations) {
  struct Sum {
    double forward = 0, backward = 0, share = 0, calls = 0;
  };
  std::map<std::string, Sum> sums;
  for (const auto& row : operations) {
    Sum& sum = sums[row["operation"]];
    sum.forward += row["forward_seconds"].get<double>();
    sum.backward += row["backward_seconds"].get<double>();
    sum.share += row["share"].get<double>();
    sum.calls += row["calls"].get<double>();
  }
  std::vector<std::pair<std::string, Sum>> order(sums.begin(), sums.end());
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.second.share > b.second.share; });
  const auto time = [](double seconds) { return seconds > 0 ? short_time(seconds) : std::string("-"); };
  Table table{"operation", {"forward", "backward", "share", "calls"}, {}};
  for (const auto& [name, sum] : order) {
    if (sum.share < 0.001) break;
    table.rows.push_back(
        {name,
         {time(sum.forward), time(sum.backward), cat(short_number(100 * sum.share), " %"), short_number(sum.calls)}});
  }
  return table;
}

/// Below a thousandth of the step left out.
Table kernels_table(const Json& kernels) {
  Table table{"kernel", {"time", "share", "calls"}, {}};
  for (const auto& row : kernels) {
    if (row["share"].get<double>() < 0.001) break;
    table.rows.push_back(
        {row["kernel"],
         {short_time(row["seconds"].get<double>()), cat(short_number(100 * row["share"].get<double>()), " %"),
          short_number(row["calls"].get<double>())}});
  }
  return table;
}

}  // namespace

std::string step_bench_text(const BenchReport& report) {
  const auto& step = report.results.front();
  const auto& f = step.facts;
  const auto& s = report.settings;
  const auto percent = [](double share) { return cat(short_number(100 * share), " %"); };
  const auto integer = [](const Json& value) { return format_grouped(static_cast<std::int64_t>(value.get<double>())); };
  std::string text =
      cat(integer(s["parameters"]), " parameters, ", s["layers"].get<std::string>(), ", ",
          s["precision"].get<std::string>(), ", ", integer(s["tokens_per_step"]), " tokens a step in micro-batches of ",
          s["micro_batch"].get<std::int64_t>(), " x ", s["seq_len"].get<std::int64_t>(), "; ", report.machine.text(),
          "\nstep      ", short_time(step.seconds.median), ", spread ", percent(step.seconds.relative_spread()), ": ",
          integer(f["tokens_per_second"]["median"]), " tokens/s\nMFU       ", percent(f["mfu"].get<double>()), " of ",
          short_number(f["peak_gflops"].get<double>()), " GFLOP/s; products alone would take ",
          short_time(f["seconds_at_peak"].get<double>()), "\nmemory    ",
          format_bytes(f["peak_resident_bytes"].get<double>()), " at most, ",
          format_bytes(f["peak_tensor_bytes"].get<double>()), " of them in tensors (planned ",
          format_bytes(f["planned_bytes"].get<double>()), "), ", format_bytes(f["program_bytes"].get<double>()),
          " before the model, ", integer(f["minor_faults"]), " minor page faults a step\n");
  if (report.details.contains("kernels")) {
    return cat(text, "\nwhere it goes, from one more step of ", short_time(report.details["gpu_seconds"].get<double>()),
               " on the GPU, in kernels ", percent(report.details["gpu_busy_share"].get<double>()), " of the time\n",
               table_text(kernels_table(report.details["kernels"])));
  }
  if (!report.details.contains("operators")) return text;
  Table places{"operator", {"time", "share", "products at peak", "rest"}, {}};
  for (const auto& row : report.details["operators"]) {
    const double time = row["seconds"], bound = row["seconds_at_peak"];
    places.rows.push_back({row["operator"],
                           {short_time(time), percent(row["share"].get<double>()), bound > 0 ? short_time(bound) : "-",
                            time > bound ? short_time(time - bound) : "-"}});
  }
  return cat(text, "\nwhere it goes, from more steps of ",
             short_time(report.details["profiled_seconds_per_step"].get<double>()), " each, scaled to the median\n",
             table_text(places), "\n", table_text(operations_table(report.details["operations"])));
}

}  // namespace ingot
