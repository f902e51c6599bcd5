#pragma once
// Subcommands of the program: one file each in commands/.

#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "registry/family.h"

namespace CLI {
class App;
}

namespace ingot {

/// What subcommands share. Parsing sets `run`; main calls it.
struct CommandLine {
  explicit CommandLine(Families all_families) : families(std::move(all_families)) {}
  Families families;
  std::vector<std::string> arguments;  // as the process got them
  bool stops_in_order = false;         // `run` looks for requests to stop (StopSignals) and leaves nothing half done
  bool uses_device = false;            // `run` computes, on a GPU where there is one: main loads the plugin first
  std::function<ExitCode()> run;
};

void add_train(CLI::App& app, CommandLine& line);
void add_plan(CLI::App& app, CommandLine& line);
void add_tokenize(CLI::App& app, CommandLine& line);
void add_data(CLI::App& app, CommandLine& line);
void add_eval(CLI::App& app, CommandLine& line);
void add_sample(CLI::App& app, CommandLine& line);
void add_status(CLI::App& app, CommandLine& line);
void add_stop(CLI::App& app, CommandLine& line);
void add_list(CLI::App& app, CommandLine& line);
void add_config(CLI::App& app, CommandLine& line);
void add_bench(CLI::App& app, CommandLine& line);
void add_convert(CLI::App& app, CommandLine& line);
void add_tune(CLI::App& app, CommandLine& line);
void add_doctor(CLI::App& app, CommandLine& line);

/// Writes a command's result to stdout, with a line end. Throws Error if stdout cannot take it.
void print_result(const std::string& text);

}  // namespace ingot
