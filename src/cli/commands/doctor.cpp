#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/text.h"
#include "base/version.h"
#include "cli/command.h"
#include "device/blas.h"
#include "device/gpu.h"
#include "device/machine.h"

namespace ingot {
namespace {

struct Report {
  nlohmann::ordered_json facts;
  std::vector<std::string> advice;
};

nlohmann::ordered_json gpus() {
  auto list = nlohmann::ordered_json::array();
  if (!gpu_available()) return list;
  const auto gpu = gpu_info();
  const c10::Device device(c10::kCUDA, 0);
  list.push_back({{"name", gpu.name},
                  {"compute_capability", cat(gpu.major, ".", gpu.minor)},
                  {"memory_bytes", gpu.total_bytes},
                  {"free_bytes", gpu.free_bytes},
                  {"driver", gpu.driver},
                  {"cuda", gpu.runtime},
                  {"matmul_gflops",
                   {{"fp32", measure_matmul_gflops(MatmulType::kFloat32, 4096, 200, device)},
                    {"bf16", measure_matmul_gflops(MatmulType::kBfloat16, 8192, 200, device)}}}});
  return list;
}

std::string gpu_text(const nlohmann::ordered_json& list) {
  if (list.empty()) return cat("none: ", gpu_unavailable_reason());
  const auto& gpu = list.front();
  const auto tera_flops = [&](const char* type) {
    return format_grouped(static_cast<std::int64_t>(gpu["matmul_gflops"][type].get<double>() / 1000));
  };
  return cat(gpu["name"].get<std::string>(), ", ", format_bytes(gpu["free_bytes"].get<double>()), " of ",
             format_bytes(gpu["memory_bytes"].get<double>()), " free, matmul fp32 ", tera_flops("fp32"),
             " TFLOP/s, bf16 ", tera_flops("bf16"), " TFLOP/s");
}

Report examine() {
  Report report;
  const auto cores = usable_cores();
  set_threads(cores);
  const auto features = cpu_features();
  const auto memory = memory_use();
  const auto& version = build_version();
  nlohmann::ordered_json rates;  // of fp32 products, by library
  std::vector<Blas> libraries{Blas::kLibTorch};
  if (has_openblas()) libraries.push_back(Blas::kOpenBlas);
  for (const auto library : libraries) {
    use_blas(library);
    rates[blas_name()] = measure_matmul_gflops(MatmulType::kFloat32, 1024, 200);
  }
  use_blas(Blas::kAuto);
  const double fp32 = rates[blas_name()];
  const double bf16 = measure_matmul_gflops(MatmulType::kBfloat16, 1024, 200);
  report.facts = {{"version", version.version},
                  {"commit", version.commit},
                  {"libtorch", version.torch},
                  {"compiler", version.compiler},
                  {"cpu", cpu_name()},
                  {"features", features},
                  {"instruction_set", instruction_set()},
                  {"threads", cores},
                  {"memory_available_bytes", memory.available},
                  {"disk_free_bytes", free_space(fs::current_path())},
                  {"gpus", gpus()},
                  {"blas", blas_name()},
                  {"matmul_gflops", {{"fp32", fp32}, {"fp32_by_library", rates}, {"bf16", bf16}}}};
  if (bf16 < fp32)
    report.advice.push_back("bf16 products are slower than fp32 here; `precision: auto` will choose fp32");
  if (!openblas_missing().empty()) {
    report.advice.push_back(cat("fp32 products would be faster with OpenBLAS: ", openblas_missing()));
  }
  if (!has_cpu_feature("avx2") && !has_cpu_feature("asimd"))
    report.advice.push_back("this CPU has no AVX2: training will be slow");
  if (memory.available < (std::int64_t{2} << 30)) report.advice.push_back("less than 2 GiB of memory is free");
  if (free_space(fs::current_path()) < (std::int64_t{5} << 30)) {
    report.advice.push_back("less than 5 GiB of disk is free here: checkpoints need 12 bytes a parameter each");
  }
  return report;
}

std::string text_of(const Report& report) {
  const auto& f = report.facts;
  std::vector<std::string> features = f["features"];
  const auto number = [&](const nlohmann::ordered_json& value) {
    return format_grouped(static_cast<std::int64_t>(value.get<double>()));
  };
  const auto blas = f["blas"].get<std::string>();
  const auto& matmul = f["matmul_gflops"];
  std::string others;
  for (const auto& [library, rate] : matmul["fp32_by_library"].items()) {
    if (library != blas) others += cat(" (by ", library, " ", number(rate), ")");
  }
  std::string text =
      cat("ingot     ", f["version"].get<std::string>(), " (", f["commit"].get<std::string>().substr(0, 12), ", ",
          f["compiler"].get<std::string>(), ", LibTorch ", f["libtorch"].get<std::string>(), ")\n", "cpu       ",
          f["cpu"].get<std::string>(), "\n", "features  ", join(features, " "), "; kernels for ",
          f["instruction_set"].get<std::string>(), "\n", "threads   ", f["threads"].get<int>(), "\n", "matmul    fp32 ",
          number(matmul["fp32"]), " GFLOP/s by ", blas, others, "; bf16 ", number(matmul["bf16"]), " GFLOP/s\n",
          "memory    ", format_bytes(f["memory_available_bytes"].get<double>()), " free\n", "disk      ",
          format_bytes(f["disk_free_bytes"].get<double>()), " free here\n", "gpu       ", gpu_text(f["gpus"]), "\n");
  for (const auto& line : report.advice) text += cat("advice    ", line, "\n");
  if (report.advice.empty()) text += "advice    none: all is well\n";
  return text;
}

}  // namespace

void add_doctor(CLI::App& app, CommandLine& line) {
  auto* command = app.add_subcommand("doctor", "Examine this machine: CPU, speed, memory, disk");
  auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "one JSON document");
  command->footer("Example: ingot doctor");
  command->callback([&line, json] {
    line.uses_device = true;
    line.run = [json] {
      auto report = examine();
      report.facts["advice"] = report.advice;
      print_result(*json ? report.facts.dump(2) : text_of(report));
      return ExitCode::kDone;
    };
  });
}

}  // namespace ingot
