#include <CLI/CLI.hpp>
#include <cstdlib>
#include <memory>
#include <optional>

#include "base/text.h"
#include "cli/command.h"
#include "cli/usage.h"
#include "config/limits.h"
#include "dist/spawn.h"
#include "recipe/load.h"
#include "train/trainer.h"

namespace ingot {
namespace {

struct Options {
  std::string config;
  std::vector<std::string> overrides;
  std::string resume = "auto";
  int nproc = 1;
};

/// Where the launch puts this process, which from now on sees its own GPU alone.
LaunchPlace take_place() {
  const auto place = detect_launch(process_environment());
  constexpr const char* kVisible = "CUDA_VISIBLE_DEVICES";
  const char* const visible = std::getenv(kVisible);
  if (const auto gpu = own_gpu(place, visible == nullptr ? std::nullopt : std::optional<std::string>(visible))) {
    ::setenv(kVisible, gpu->c_str(), /*overwrite=*/1);
  }
  return place;
}

ResumeChoice resume_choice(const std::string& text) {
  if (text == "auto") return {};
  if (text == "never") return {ResumeChoice::Kind::kNever, {}};
  return {ResumeChoice::Kind::kFrom, text};
}

}  // namespace

void add_train(CLI::App& app, CommandLine& line) {
  auto* command = app.add_subcommand("train", "Train a model, or go on where the run stopped");
  auto options = std::make_shared<Options>();
  command->add_option("config", options->config, "YAML file")->required();
  command->add_option("overrides", options->overrides, "path=value, path+=value, ~path");
  command->add_option("--resume", options->resume, "auto, never, or a run or checkpoint directory")
      ->capture_default_str();
  command->add_option("--nproc", options->nproc, "ranks on this machine that share the global batch")
      ->check(whole_number(1, limits::kThreads))
      ->capture_default_str();
  command->footer("Example: ingot train configs/quickstart.yaml model.placement=post run.name=post");
  command->callback([&line, options] {
    line.uses_device = true;
    line.stops_in_order = true;
    const auto place = take_place();  // before CUDA is loaded
    line.run = [&line, options, place] {
      TrainRequest request;
      request.config = [&] { return load_config(options->config, options->overrides, line.families); };
      request.resume = resume_choice(options->resume);
      request.command_line = line.arguments;
      request.place = place;
      // Of one process that a launcher started, such as the shell of `srun --pty bash`, --nproc makes several.
      if (options->nproc > 1 && !request.place.distributed()) {
        request.config();  // a mistake is said once, before anything starts
        return run_ranks(options->nproc, line.arguments);
      }
      if (options->nproc > 1 && request.place.launcher != Launcher::kNproc) {
        throw ConfigError(
            cat("--nproc inside a launch by ", launcher_name(request.place.launcher), ": use one of them"));
      }
      return train(request, line.families);
    };
  });
}

}  // namespace ingot
