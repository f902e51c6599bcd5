#include "bench/op.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/error.h"
#include "base/text.h"
#include "recipe/options.h"
#include "train/plan.h"
#include "train/setup.h"

namespace ingot {
namespace {

constexpr const char* kYardstick = "norms/rms_norm";  // what other norms are compared with

bool matches(const Operation& operation, const std::string& name) {
  return glob_match(name, operation.name) || glob_match(name, operation.key()) || name == operation.family;
}

std::vector<Operation> all_operations(const Families& families, std::int64_t d_model, bool all_samples) {
  auto out = family_operations(families, d_model, all_samples);
  for (auto& more : {core_operations(), optimizer_operations(families)}) {
    out.insert(out.end(), more.begin(), more.end());
  }
  return out;
}

std::vector<Operation> chosen(const OpBenchOptions& options, const Families& families) {
  const auto usual = all_operations(families, options.sizes.d_model, options.all_samples);
  if (options.names.empty()) return usual;
  const auto everything = all_operations(families, options.sizes.d_model, true);
  std::vector<Operation> out;
  const auto add = [&](const Operation& operation) {
    const auto same = [&](const Operation& o) { return o.key() == operation.key(); };
    if (std::none_of(out.begin(), out.end(), same)) out.push_back(operation);
  };
  for (const auto& name : options.names) {
    if (name.find('{') != std::string::npos) {
      add(described_operation(families, name));
      continue;
    }
    bool found = false;
    std::vector<std::string> known;
    // A variant that needs settings is listed under its first sample, and found without it.
    for (const auto* list : {&usual, &everything}) {
      for (const auto& operation : *list) {
        const bool first_sample = list == &usual && split(operation.name, '/').front() == name;
        if (first_sample || matches(operation, name)) add(operation), found = true;
        known.push_back(operation.name);
      }
      if (found) break;
    }
    if (!found) throw ConfigError(cat("bench op: nothing to time is named '", name, "'", did_you_mean(name, known)));
  }
  return out;
}

nlohmann::ordered_json settings_json(const BenchSizes& sizes, Precision precision) {
  return {{"rows", sizes.rows},
          {"seq_len", sizes.seq_len},
          {"d_model", sizes.d_model},
          {"vocab_size", sizes.vocab_size},
          {"parameters", sizes.parameters},
          {"dtype", precision_name(precision)}};
}

/// times[part][run] -> all parts of each run together.
std::vector<double> totals(const std::vector<std::vector<double>>& times) {
  std::vector<double> out(times.front().size(), 0.0);
  for (const auto& part : times) {
    for (std::size_t run = 0; run < out.size(); ++run) out[run] += part[run];
  }
  return out;
}

BenchResult result_of(const std::string& name, const Workload& work, const std::vector<std::vector<double>>& times,
                      double peak_gflops) {
  BenchResult result{name, summarise(totals(times)), work.facts};
  for (std::size_t part = 0; part < work.parts.size(); ++part) {
    result.facts[work.parts[part] + "_seconds"] = to_json(summarise(times[part]));
  }
  const double seconds = result.seconds.median;
  if (work.flops > 0) {
    result.facts["flops"] = work.flops;
    result.facts["gflops"] = work.flops / seconds * 1e-9;
    result.facts["share_of_peak"] = work.flops / seconds * 1e-9 / peak_gflops;
  }
  result.facts["bytes"] = work.bytes;
  result.facts["gigabytes_per_second"] = work.bytes / seconds * 1e-9;
  return result;
}

/// What is timed when nothing else is there, beside its yardstick.
BenchResult time_alone(const Operation& operation, const BenchSizes& sizes, const TimingOptions& timing, double peak) {
  const auto work = operation.workload(sizes);
  std::vector<TimedRun> runs = {work.run};
  if (work.yardstick) runs.push_back(work.yardstick);
  const auto times = time_in_turns(runs, timing);
  auto result = result_of(operation.key(), work, times[0], peak);
  if (work.yardstick) {
    const double bandwidth = work.yardstick_bytes / summarise(times[1][0]).median;
    result.facts["share_of_bandwidth"] = work.bytes / result.seconds.median / bandwidth;
  }
  return result;
}

void relate_norms(std::vector<BenchResult>& results, double yardstick) {
  for (auto& result : results) {
    if (result.name.starts_with("norms/")) result.facts["relative_to_rms_norm"] = result.seconds.median / yardstick;
  }
}

}  // namespace

OpBench bench_operations(const OpBenchOptions& options, const Families& families) {
  auto operations = chosen(options, families);
  OpBench out;
  out.report.kind = "op";
  out.report.machine = prepare_machine(options.device, options.threads);
  auto& machine = out.report.machine;
  const auto precision = options.precision == Precision::kAuto ? machine.fastest_precision() : options.precision;
  auto sizes = options.sizes;
  sizes.device = torch_device(machine.device);
  sizes.dtype = precision == Precision::kBfloat16 ? at::kBFloat16 : at::kFloat;
  out.report.settings = settings_json(sizes, precision);
  const double peak = machine.peak(precision);

  // Other norms are compared with rms_norm in the same turns, so it runs along even if it was not asked for.
  const auto asked = operations.size();
  const auto is_yardstick = [](const Operation& o) { return o.key() == kYardstick; };
  const bool has_norm = std::any_of(operations.begin(), operations.end(),
                                    [](const Operation& o) { return o.family == NormEntry::kFamily; });
  if (has_norm && std::none_of(operations.begin(), operations.end(), is_yardstick)) {
    const auto norms = family_operations(families, sizes.d_model, false);
    std::copy_if(norms.begin(), norms.end(), std::back_inserter(operations), is_yardstick);
  }

  std::vector<Workload> works;
  std::vector<TimedRun> runs;
  std::vector<std::string> names;
  std::vector<const Operation*> alone;
  std::size_t shown = 0;
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const auto problem = operations[i].check(sizes);
    if (!problem.empty()) {
      out.failures.emplace_back(operations[i].key(), problem);
      continue;
    }
    if (operations[i].alone) {
      alone.push_back(&operations[i]);
      continue;
    }
    works.push_back(operations[i].workload(sizes));
    runs.push_back(works.back().run);
    names.push_back(operations[i].key());
    if (i < asked) ++shown;
  }
  const auto times = time_in_turns(runs, options.timing);
  double yardstick = 0;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const auto result = result_of(names[i], works[i], times[i], peak);
    if (names[i] == kYardstick) yardstick = result.seconds.median;
    if (i < shown) out.report.results.push_back(result);
  }
  works.clear();
  runs.clear();
  for (const auto* operation : alone) {
    out.report.results.push_back(time_alone(*operation, sizes, options.timing, peak));
  }
  if (yardstick > 0) relate_norms(out.report.results, yardstick);
  for (const auto& [name, problem] : out.failures) {
    out.report.details["failures"].push_back({{"name", name}, {"problem", problem}});
  }
  return out;
}

std::string op_bench_text(const OpBench& bench) {
  const auto& settings = bench.report.settings;
  const auto& machine = bench.report.machine;
  const auto number = [](const BenchResult& result, const char* key, double scale = 1, const char* unit = "") {
    const auto found = result.facts.find(key);
    return found == result.facts.end() ? std::string("-") : cat(short_number(scale * found->get<double>()), unit);
  };
  const auto spread = [](const BenchResult& result) {
    return cat(short_number(100 * result.seconds.relative_spread()), " %");
  };
  Table table{"operation", {"forward", "backward", "both", "spread", "GFLOP/s", "of peak", "GB/s", "x rms_norm"}, {}};
  Table updates{"update", {"time", "spread", "ns/parameter", "state B/parameter", "GB/s", "of bandwidth"}, {}};
  std::string updated;
  for (const auto& result : bench.report.results) {
    const auto part = [&](const char* key) {
      const auto found = result.facts.find(key);
      return found == result.facts.end() ? std::string("-") : short_time((*found)["median"].get<double>());
    };
    if (result.facts.contains("parameters")) {
      const auto parameters = result.facts["parameters"].get<double>();
      updated = cat(", ", short_number(parameters), " parameters updated");
      updates.rows.push_back(
          {result.name,
           {short_time(result.seconds.median), spread(result), short_number(result.seconds.median / parameters * 1e9),
            number(result, "state_bytes_per_parameter"), number(result, "gigabytes_per_second"),
            number(result, "share_of_bandwidth", 100, " %")}});
      continue;
    }
    table.rows.push_back({result.name,
                          {part("forward_seconds"), part("backward_seconds"), short_time(result.seconds.median),
                           spread(result), number(result, "gflops"), number(result, "share_of_peak", 100, " %"),
                           number(result, "gigabytes_per_second"), number(result, "relative_to_rms_norm")}});
  }
  const std::string dtype = settings["dtype"];
  return cat(machine.text(), ", ", dtype, ", ", settings["rows"].get<std::int64_t>(), " x ",
             settings["seq_len"].get<std::int64_t>(), " tokens, d_model ", settings["d_model"].get<std::int64_t>(),
             updated, "; peak ", short_number(machine.peak_gflops.at(dtype)), " GFLOP/s\n",
             table.rows.empty() ? "" : table_text(table), updates.rows.empty() ? "" : table_text(updates));
}

}  // namespace ingot
