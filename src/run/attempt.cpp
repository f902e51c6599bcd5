#include "run/attempt.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/host.h"
#include "base/log.h"
#include "base/text.h"
#include "base/version.h"
#include "device/machine.h"
#include "run/job.h"

extern char** environ;  // NOLINT: POSIX

namespace ingot {
namespace {

using json = nlohmann::ordered_json;

/// Variables that can change speed, placement or, through libraries, behaviour. A list, so that no secret gets in.
bool is_relevant(std::string_view name) {
  static constexpr std::array<std::string_view, 17> kPrefixes{
      "OMP_",     "GOMP_", "KMP_",    "MKL_",         "OPENBLAS_", "DNNL_", "ONEDNN_", "ATEN_", "TORCH_",
      "PYTORCH_", "CUDA_", "CUBLAS_", "NVIDIA_TF32_", "NCCL_",     "GLOO_", "MALLOC_", "INGOT_"};
  static constexpr std::array<std::string_view, 10> kNames{
      "RANK",        "WORLD_SIZE",  "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK",
      "MASTER_ADDR", "MASTER_PORT", "LD_PRELOAD", "LD_LIBRARY_PATH",  "LD_BIND_NOW"};
  if (name == kSecretVariable) return false;
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end() ||
         std::any_of(kPrefixes.begin(), kPrefixes.end(),
                     [&](std::string_view prefix) { return name.substr(0, prefix.size()) == prefix; });
}

json relevant_environment() {
  std::vector<std::string> found;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    if (is_relevant(text.substr(0, text.find('=')))) found.emplace_back(text);
  }
  std::sort(found.begin(), found.end());
  json out = json::object();
  for (const std::string& text : found) {
    const std::size_t equals = text.find('=');
    out[text.substr(0, equals)] = text.substr(std::min(equals, text.size() - 1) + 1);
  }
  return out;
}

json version_facts() {
  const BuildVersion& version = build_version();
  return {{"ingot", version.version},     {"commit", version.commit},         {"dirty", version.dirty},
          {"compiler", version.compiler}, {"build_type", version.build_type}, {"libtorch", version.torch}};
}

json machine_facts() {
  utsname system{};
  ::uname(&system);
  return {{"host", host_name()},
          {"system", cat(system.sysname, " ", system.release)},
          {"cpu", cpu_name()},
          {"cpu_features", cpu_features()},
          {"instruction_set", instruction_set()},
          {"cores", usable_cores()}};
}

/// The number after the highest that any file of the folder starts with: attempts leave several files.
std::int64_t next_number(const fs::path& folder) {
  std::int64_t highest = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc{} && end != name.data()) highest = std::max(highest, number);
  }
  return highest + 1;
}

}  // namespace

std::string attempt_name(std::int64_t number) {
  std::string digits = std::to_string(number);
  if (digits.size() < 4) digits.insert(0, 4 - digits.size(), '0');
  return digits;
}

AttemptRecord::AttemptRecord(const fs::path& run_dir, const std::vector<std::string>& command) {
  const fs::path folder = run_dir / "attempts";
  fs::create_directories(folder);
  number_ = next_number(folder);
  path_ = folder / (attempt_name(number_) + ".json");
  record_ = {{"attempt", number_},          {"start", utc_now()},
             {"command", command},          {"folder", fs::current_path().string()},
             {"pid", ::getpid()},           {"version", version_facts()},
             {"machine", machine_facts()},  {"environment", relevant_environment()},
             {"scheduler", scheduler_ids()}};
  write();
}

void AttemptRecord::add(const json& facts) {
  for (const auto& [key, value] : facts.items()) record_[key] = value;
  try {
    write();
  } catch (const Error& e) {
    log::warning(e.what());
  }
}

void AttemptRecord::finish(ExitCode code, const std::string& reason) {
  add({{"end", utc_now()}, {"exit_code", static_cast<int>(code)}, {"reason", reason}});
}

void AttemptRecord::write() {
  write_file_atomic(path_, record_.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
}

}  // namespace ingot
