#include <CLI/CLI.hpp>
#include <memory>

#include "base/files.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/family_words.h"
#include "registry/markdown.h"

namespace ingot {
namespace {

struct Options {
  std::string family;
  std::string pages;
  bool json = false;
};

/// Whether an earlier call wrote the file.
bool is_page(const fs::path& path) {
  return fs::is_regular_file(path) && read_file(path).rfind(kGeneratedPage, 0) == 0;
}

/// Brings the folder up to date. What somebody else wrote under the name of a page is an error, before anything
/// changes.
std::string write_pages(const fs::path& folder, const Families& families) {
  const auto pages = variants_pages(families, family_words());
  for (const auto& [name, text] : pages) {
    if (fs::exists(folder / name) && !is_page(folder / name)) {
      throw ConfigError(cat((folder / name).string(), " is no page that `ingot list --markdown` wrote: it stays"));
    }
  }
  fs::create_directories(folder);
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (pages.count(entry.path().filename().string()) == 0 && is_page(entry.path())) fs::remove(entry.path());
  }
  for (const auto& [name, text] : pages) write_file_atomic(folder / name, text);
  return cat(pages.size(), " pages in ", folder.string());
}

}  // namespace

void add_list(CLI::App& app, CommandLine& line) {
  auto* command = app.add_subcommand("list", "Show the variants that configs can choose from");
  auto options = std::make_shared<Options>();
  auto* family = command->add_option("family", options->family, "norms, mixers, optimizers, …; absent: all");
  auto* json = command->add_flag("--json", options->json, "one JSON document");
  command->add_option("--markdown", options->pages, "write a page for each family into this folder (docs/variants)")
      ->excludes(json)
      ->excludes(family);
  command->footer("Example: ingot list norms");
  command->callback([&line, options] {
    line.run = [&line, options] {
      if (!options->pages.empty()) {
        print_result(write_pages(options->pages, line.families));
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
