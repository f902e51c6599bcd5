#include <CLI/CLI.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>

#include "base/text.h"
#include "cli/command.h"
#include "config/document.h"
#include "data/inspect.h"
#include "train/config.h"
#include "train/progress.h"

namespace ingot {
namespace {

struct Options {
  std::string where;
  std::int64_t step = 1;
  std::int64_t rows = 4;
  bool json = false;
};

RunConfig run_config(const fs::path& run, const Families& families) {
  const auto file = run / "config.yaml";
  if (!fs::exists(file)) throw ConfigError(cat(run.string(), " holds no run: no config.yaml"));
  return load_config(file.string(), {cat("run.dir=", fs::absolute(run).string())}, families);
}

nlohmann::ordered_json rows_json(const std::vector<ShownRow>& rows) {
  nlohmann::ordered_json out = nlohmann::json::array();
  for (const auto& row : rows) {
    nlohmann::ordered_json line = {{"sample", row.sample}, {"source", row.origin.source}, {"epoch", row.origin.epoch}};
    for (const auto& d : row.documents) {
      line["documents"].push_back({{"first", d.first}, {"tokens", d.tokens}, {"targets", d.targets}, {"text", d.text}, {"ids", d.ids}});
    }
    out.push_back(line);
  }
  return out;
}

ExitCode show(const Options& options, const Families& families) {
  const auto config = run_config(options.where, families);
  PrepareOptions prepare;
  prepare.run_dir = config.run.dir;
  prepare.seed = static_cast<std::uint64_t>(config.run.seed);
  prepare.may_build = false;
  const auto data = prepare_data(config.data, families.get<TokenizerEntry>(), prepare);
  const auto rows_per_step = config.train.global_batch.sequences(config.data.seq_len);
  const auto rows = show_samples(data, (options.step - 1) * rows_per_step, std::min(options.rows, rows_per_step));
  print_result(options.json ? rows_json(rows).dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace)
                            : format_rows(rows));
  return ExitCode::kDone;
}

/// A run's data lies in its cache; other folders are taken as they are.
fs::path data_folder(const fs::path& where, const Families& families) {
  if (!fs::exists(where / "config.yaml")) return where;
  const auto config = run_config(where, families);
  return config.data.cache ? fs::path(*config.data.cache) : where / "data";
}

ExitCode verify(const Options& options, const Families& families) {
  ProgressLine line;
  const auto report = verify_data(data_folder(options.where, families), [&](const DataProgress& p) {
    line.show(progress_text(p));
  });
  line.clear();
  if (options.json) {
    const nlohmann::ordered_json out = {{"files", report.files}, {"bytes", report.bytes}, {"tokens", report.tokens},
                                        {"documents", report.documents}, {"problems", report.problems}};
    print_result(out.dump(2));
  } else {
    for (const auto& problem : report.problems) print_result(problem);
    print_result(cat(report.files, " files, ", format_bytes(static_cast<double>(report.bytes)), ", ",
                     format_grouped(report.tokens), " tokens, ", format_grouped(report.documents), " documents: ",
                     report.problems.empty() ? "all is well" : cat(report.problems.size(), " problems")));
  }
  return report.problems.empty() ? ExitCode::kDone : ExitCode::kData;
}

}  // namespace

void add_data(CLI::App& app, CommandLine& line) {
  auto* command = app.add_subcommand("data", "Look at a run's data or verify it");
  command->require_subcommand(1);
  auto options = std::make_shared<Options>();
  auto* show_command = command->add_subcommand("show", "Print the batch of a step, decoded, with its documents");
  show_command->add_option("run", options->where, "run directory")->required();
  show_command->add_option("--step", options->step, "step, from 1")->check(CLI::PositiveNumber)->capture_default_str();
  show_command->add_option("--rows", options->rows, "rows at most")->check(CLI::PositiveNumber)->capture_default_str();
  show_command->add_flag("--json", options->json, "one JSON document");
  show_command->footer("Example: ingot data show runs/quickstart --step 100");
  show_command->callback([&line, options] { line.run = [&line, options] { return show(*options, line.families); }; });
  auto* verify_command = command->add_subcommand("verify", "Read every byte and check it");
  verify_command->add_option("folder", options->where, "run directory or folder of shards")->required();
  verify_command->add_flag("--json", options->json, "one JSON document");
  verify_command->footer("Example: ingot data verify runs/quickstart");
  verify_command->callback([&line, options] { line.run = [&line, options] { return verify(*options, line.families); }; });
}

}  // namespace ingot
