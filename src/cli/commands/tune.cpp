#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/usage.h"
#include "config/limits.h"
#include "study/tune_lr.h"
#include "study/tune_scaling.h"

namespace ingot {
namespace {

void add_lr(CLI::App* parent, CommandLine& line) {
  auto* command = parent->add_subcommand("lr", "Find the peak learning rate: a range test, then complete runs");
  auto options = std::make_shared<TuneLrOptions>();
  command->add_option("config", options->config, "YAML file")->required();
  command->add_option("overrides", options->overrides, "path=value, path+=value, ~path; of every trial");
  command->add_option("--dir", options->dir, "folder of the trials; absent: runs/tune_<run.name>");
  command->add_option("--key", options->key, "the setting that is tuned")->capture_default_str();
  command->add_option("--trials", options->trials, "rates that are tried, at most")
      ->check(whole_number(1, 1000))
      ->capture_default_str();
  command->add_option("--seeds", options->seeds, "runs of each rate")
      ->check(whole_number(1, 1000))
      ->capture_default_str();
  command->add_option("--range-steps", options->range_steps, "steps of the run in which the rate rises")
      ->check(whole_number(8, 1'000'000))
      ->capture_default_str();
  command->footer("Example: ingot tune lr configs/quickstart.yaml train.duration='150 steps' --trials 7");
  command->callback([&line, options] {
    line.stops_in_order = true;
    line.run = [&line, options] {
      print_result(tune_lr(*options, line.families));
      return ExitCode::kDone;
    };
  });
}

void add_scaling(CLI::App* parent, CommandLine& line) {
  auto* command = parent->add_subcommand("scaling", "Compare how far activations move at several widths");
  auto options = std::make_shared<TuneScalingOptions>();
  command->add_option("config", options->config, "YAML file")->required();
  command->add_option("overrides", options->overrides,
                      "path=value, path+=value, ~path; {width}, {width/32} and {width*3} stand for numbers");
  command->add_option("--widths", options->widths, "of d_model")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(whole_number(1, limits::kWidth))
      ->capture_default_str();
  command->add_option("--steps", options->steps, "training steps at each width")
      ->check(whole_number(1, 100'000))
      ->capture_default_str();
  command->add_option("--rows", options->rows, "sequences that are looked at")
      ->check(whole_number(1, limits::kRows))
      ->capture_default_str();
  command->add_option("--tolerance", options->tolerance, "exponent of the width up to which a place counts as constant")
      ->check(real_number(0, 10, true))
      ->capture_default_str();
  command->add_option("--svg", options->svg, "draw the table there");
  command->footer(
      "Example: ingot tune scaling my.yaml 'model.operators.A.mixer.num_heads={width/32}' --widths 64,128,256");
  command->callback([&line, options] {
    line.uses_device = true;
    line.run = [&line, options] {
      print_result(tune_scaling(*options, line.families));
      return ExitCode::kDone;
    };
  });
}

}  // namespace

void add_tune(CLI::App& app, CommandLine& line) {
  auto* command = app.add_subcommand("tune", "Find settings by training: the learning rate, or whether it scales");
  command->require_subcommand(1);
  add_lr(command, line);
  add_scaling(command, line);
}

}  // namespace ingot
