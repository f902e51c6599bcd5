#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "base/log.h"
#include "base/printable.h"
#include "base/process_setup.h"
#include "base/stop_signals.h"
#include "base/text.h"
#include "base/utf8.h"
#include "base/version.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/usage.h"
#include "device/gpu.h"
#include "recipe/run_config.h"
#include "train/families.h"

namespace {

using ingot::ExitCode;

/// Configs, manifests and records hold the arguments and paths made from the working directory, as text in UTF-8. Names
/// of files that are found in folders may be anything.
void check_names(int argc, char** argv) {
  const auto check = [](const std::string& what, const std::string& text) {
    if (ingot::valid_utf8_prefix(text) == text.size()) return;
    throw ingot::ConfigError(ingot::cat(what, " '", text, "' is not in UTF-8, as configs and records are; rename it"));
  };
  std::error_code gone;
  check("the working directory", std::filesystem::current_path(gone).string());
  for (int i = 1; i < argc; ++i) check("the argument", argv[i]);
}

int parse_and_run(int argc, char** argv) {
  ingot::CommandLine line(ingot::make_families());
  line.arguments.assign(argv, argv + argc);
  CLI::App app{"Trains small hybrid language models from YAML."};
  app.name("ingot");
  app.set_version_flag("--version", [] {
    const auto& v = ingot::build_version();
    return ingot::cat("ingot ", v.version, " (", v.commit.substr(0, 12), v.dirty.empty() ? "" : "+", v.dirty, ", ",
                      v.compiler, ", ", v.build_type, ", LibTorch ", v.torch, ")");
  });
  app.require_subcommand(1);
  app.footer("Example: ingot train configs/quickstart.yaml optim.optimizer.lr=3e-4");
  ingot::add_train(app, line);
  ingot::add_plan(app, line);
  ingot::add_tokenize(app, line);
  ingot::add_data(app, line);
  ingot::add_eval(app, line);
  ingot::add_sample(app, line);
  ingot::add_status(app, line);
  ingot::add_stop(app, line);
  ingot::add_list(app, line);
  ingot::add_config(app, line);
  ingot::add_bench(app, line);
  ingot::add_convert(app, line);
  ingot::add_tune(app, line);
  ingot::add_doctor(app, line);
  const auto misuse = [](const std::string& problem) {
    std::cerr << "ingot: " << problem << " (see ingot --help)\n";
    return static_cast<int>(ExitCode::kConfig);
  };
  const auto problem = ingot::command_problem(app, {line.arguments.begin() + std::min(argc, 1), line.arguments.end()});
  if (!problem.empty()) return misuse(problem);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& done) {  // --help, --version
    const int code = app.exit(done, std::cout, std::cerr);
    ingot::finish_stdout();
    return code;
  } catch (const CLI::ParseError& error) {
    return misuse(ingot::usage_problem(app, error));
  }
  if (!line.stops_in_order) ingot::StopSignals::let_go();
  if (line.uses_device) ingot::load_gpu_plugin();  // before anything else touches LibTorch
  const auto code = line.run();
  ingot::finish_stdout();
  return static_cast<int>(code);
}

// LibTorch's libraries take a quarter of a second to initialise themselves before `main`, and a request to stop may
// come then. The loader calls this first, save under AddressSanitizer, which wants that place for itself.
#ifndef __SANITIZE_ADDRESS__
__attribute__((section(".preinit_array"), used)) void (*const listen_first)() = ingot::StopSignals::listen;
#endif

}  // namespace

int main(int argc, char** argv) {
  ingot::StopSignals::listen();
  ingot::set_up_process();
  int code = 0;
  try {
    check_names(argc, argv);
    code = parse_and_run(argc, argv);
  } catch (const std::exception& thrown) {
    const auto error = ingot::as_error(thrown);
    error.code() == ExitCode::kStopped ? ingot::log::info(error.what()) : ingot::log::error(error.what());
    code = static_cast<int>(error.code());
  }
  ingot::StopSignals::ignore();  // what comes now is too late to change the code
  return code;
}
