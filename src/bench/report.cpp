#include "bench/report.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/json.h"
#include "base/text.h"
#include "base/version.h"
#include "device/blas.h"
#include "device/gpu.h"
#include "device/machine.h"
#include "device/matmul.h"
#include "recipe/options.h"
#include "train/peak.h"
#include "train/plan.h"
#include "train/precision.h"

namespace ingot {
namespace {

using Json = nlohmann::json;

Json machine_identity(const BenchMachine& machine) {
  return {{"cpu", machine.cpu}, {"gpu", machine.gpu}, {"threads", machine.threads}, {"blas", machine.blas}};
}

/// Throws if a value that decides times differs.
void check_same(const std::string& source, const std::string& what, const Json& before, const Json& now) {
  if (before == now) return;
  throw ConfigError(cat(source, " is no baseline for this: ", what, " was ", before.dump(), ", now ", now.dump()));
}

/// The member's value, null if there is none.
Json raw_of(const JsonValue& object, const std::string& key) {
  const auto value = object.find(key);
  return value ? value->raw() : Json();
}

void check_comparable(const BenchReport& report, const JsonValue& baseline, const std::string& source) {
  check_same(source, "bench", baseline.at("bench").raw(), report.kind);
  const auto identity = machine_identity(report.machine);
  for (const auto& [key, value] : identity.items()) {
    check_same(source, key, raw_of(baseline.at("machine"), key), value);
  }
  const Json settings = report.settings;
  for (const auto& [key, value] : settings.items()) {
    check_same(source, key, raw_of(baseline.at("settings"), key), value);
  }
}

TimeSummary times_of(const JsonValue& row) {
  const auto times = row.at("seconds");
  return {times.at("median").number(), times.at("lower_quartile").number(), times.at("upper_quartile").number(),
          static_cast<int>(times.at("runs").whole(0, INT32_MAX))};
}

Change change_of(double before, double now, double band) {
  if (now > before * (1 + band)) return Change::kSlower;
  return now < before / (1 + band) ? Change::kFaster : Change::kSame;
}

const char* change_name(Change change) {
  switch (change) {
    case Change::kSame:
      return "same";
    case Change::kFaster:
      return "faster";
    case Change::kSlower:
      return "SLOWER";
    case Change::kNew:
      return "new";
    case Change::kMissing:
      return "not run";
  }
  return "";
}

std::string percent(double share) { return cat(std::lround(100 * share), " %"); }

}  // namespace

BenchMachine prepare_machine(DeviceKind device, int threads, Blas blas) {
  BenchMachine machine;
  if (device == DeviceKind::kCuda && !gpu_available()) throw ConfigError(cat("no GPU: ", gpu_unavailable_reason()));
  const bool on_gpu = device != DeviceKind::kCpu && gpu_available();
  machine.device = on_gpu ? DeviceKind::kCuda : DeviceKind::kCpu;
  machine.threads = threads > 0 ? threads : usable_cores();
  set_threads(machine.threads);
  use_blas(blas);
  keep_freed_memory();
  machine.cpu = cpu_name();
  if (on_gpu) machine.gpu = gpu_info().name;
  machine.instruction_set = instruction_set();
  machine.blas = blas_name();
  return machine;
}

BenchMachine prepare_machine(const TrainSection& train) {
  return prepare_machine(train.device, train.threads.is_auto() ? 0 : static_cast<int>(train.threads.value()),
                         train.blas);
}

std::string BenchMachine::text() const {
  return gpu.empty() ? cat(cpu, ", ", threads, " threads, ", blas) : cat(gpu, ", ", threads, " threads");
}

double BenchMachine::peak(Precision precision) {
  const auto name = precision_name(precision);
  if (peak_gflops.count(name) == 0) peak_gflops[name] = ingot::peak_gflops(precision, device);
  return peak_gflops[name];
}

Precision BenchMachine::fastest_precision() {
  if (device == DeviceKind::kCpu && !multiplies_bfloat16()) return Precision::kFloat32;
  return peak(Precision::kBfloat16) > 1.1 * peak(Precision::kFloat32) ? Precision::kBfloat16 : Precision::kFloat32;
}

nlohmann::ordered_json to_json(const TimeSummary& times) {
  return {
      {"median", times.median}, {"lower_quartile", times.lower}, {"upper_quartile", times.upper}, {"runs", times.runs}};
}

nlohmann::ordered_json to_json(const BenchReport& report) {
  const auto& m = report.machine;
  nlohmann::ordered_json out = {{"bench", report.kind},
                                {"time", utc_now()},
                                {"version", build_version().version},
                                {"commit", build_version().commit},
                                {"machine",
                                 {{"cpu", m.cpu},
                                  {"gpu", m.gpu},
                                  {"instruction_set", m.instruction_set},
                                  {"threads", m.threads},
                                  {"blas", m.blas},
                                  {"peak_gflops", m.peak_gflops}}},
                                {"settings", report.settings},
                                {"results", nlohmann::ordered_json::array()}};
  for (const auto& result : report.results) {
    nlohmann::ordered_json row = {{"name", result.name}, {"seconds", to_json(result.seconds)}};
    if (!result.facts.empty()) row.update(result.facts);
    out["results"].push_back(row);
  }
  if (!report.details.empty()) out.update(report.details);
  return out;
}

std::vector<ChangedResult> compare_with_baseline(const BenchReport& report, const Json& json,
                                                 const std::string& source) {
  const auto baseline = JsonValue::of(json, {source, ExitCode::kConfig});
  check_comparable(report, baseline, source);
  std::vector<ChangedResult> out;
  const auto stored = baseline.at("results").items();
  const auto find = [&](const std::string& name) {
    return std::find_if(stored.begin(), stored.end(), [&](const auto& row) { return row.at("name").text() == name; });
  };
  for (const auto& result : report.results) {
    ChangedResult row{result.name, 0, result.seconds.median, 0, Change::kNew};
    if (const auto found = find(result.name); found != stored.end()) {
      const auto before = times_of(*found);
      row.before = before.median;
      row.band = std::max(kLeastBand, before.relative_spread());
      row.change = change_of(row.before, row.now, row.band);
    }
    out.push_back(row);
  }
  for (const auto& row : stored) {
    const auto& name = row.at("name").text();
    const bool run = std::any_of(out.begin(), out.end(), [&](const ChangedResult& r) { return r.name == name; });
    if (!run) out.push_back({name, times_of(row).median, 0, 0, Change::kMissing});
  }
  return out;
}

bool got_slower(const std::vector<ChangedResult>& changes) {
  return std::any_of(changes.begin(), changes.end(),
                     [](const ChangedResult& row) { return row.change == Change::kSlower; });
}

std::string changes_text(const std::vector<ChangedResult>& changes) {
  Table table{"against the baseline", {"before", "now", "ratio", "band", ""}, {}};
  for (const auto& row : changes) {
    const bool both = row.before > 0 && row.now > 0;
    table.rows.push_back(
        {row.name,
         {row.before > 0 ? short_time(row.before) : "", row.now > 0 ? short_time(row.now) : "",
          both ? short_number(row.now / row.before) : "", both ? percent(row.band) : "", change_name(row.change)}});
  }
  return table_text(table);
}

Json read_baseline(const fs::path& path) {
  const auto baseline = JsonValue::read(path, ExitCode::kConfig);
  const bool is_report = baseline.is_object() && baseline.has("bench") && baseline.has("machine") &&
                         baseline.has("settings") && baseline.has("results");
  if (!is_report) throw ConfigError(cat(path.string(), " is no baseline: expected what `ingot bench … --save` writes"));
  check_same(path.string(), "cpu", raw_of(baseline.at("machine"), "cpu"), cpu_name());
  return baseline.raw();
}

}  // namespace ingot
