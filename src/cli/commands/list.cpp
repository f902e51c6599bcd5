#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "registry/markdown.h"

namespace ingot {
namespace {

struct Options {
  std::string family;
  bool json = false;
  bool markdown = false;
};

}  // namespace

void add_list(CLI::App& app, CommandLine& line) {
  auto* command = app.add_subcommand("list", "Show the variants that configs can choose from");
  auto options = std::make_shared<Options>();
  command->add_option("family", options->family, "norms, mixers, optimizers, …; absent: all");
  auto* json = command->add_flag("--json", options->json, "one JSON document");
  command->add_flag("--markdown", options->markdown, "the text of configs/VARIANTS.md")->excludes(json);
  command->footer("Example: ingot list norms");
  command->callback([&line, options] {
    line.run = [&line, options] {
      if (options->markdown) {
        print_result(variants_markdown(line.families));
      } else if (options->json) {
        print_result(variants_json(line.families, options->family));
      } else {
        print_result(variants_text(line.families, options->family));
      }
      return ExitCode::kDone;
    };
  });
}

}  // namespace ingot
