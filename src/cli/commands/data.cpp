#include <ATen/ops/empty.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/staged.h"
#include "base/text.h"
#include "checkpoint/safetensors.h"
#include "cli/command.h"
#include "cli/run_data.h"
#include "cli/usage.h"
#include "config/document.h"
#include "config/limits.h"
#include "data/shards/document_export.h"
#include "data/shards/inspect.h"
#include "recipe/load.h"
#include "recipe/run_config.h"
#include "run/progress.h"
#include "train/batch_plan.h"

namespace ingot {
namespace {

struct Options {
  std::string where;
  std::int64_t step = 1;
  std::int64_t rows = 4;
  std::int64_t steps = 100;
  std::string out;
  std::string name;
  bool train = false;
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
      line["documents"].push_back(
          {{"first", d.first}, {"tokens", d.tokens}, {"targets", d.targets}, {"text", d.text}, {"ids", d.ids}});
    }
    out.push_back(line);
  }
  return out;
}

ExitCode show(const Options& options, const Families& families) {
  const auto config = run_config(options.where, families);
  const auto data = open_run_data(config, config.run.dir, families);
  DurationContext durations;
  durations.tokens_per_epoch = static_cast<double>(data.tokens_per_epoch());
  const BatchPlan batches(config.train, config.data.seq_len, durations);
  const auto first = first_position(config), update = first + options.step - 1;
  const auto rows = show_samples(data, first_sample(config) + batches.rows_before(update) - batches.rows_before(first),
                                 std::min(options.rows, batches.rows(update)));
  print_result(options.json ? rows_json(rows).dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace)
                            : format_rows(rows));
  return ExitCode::kDone;
}

/// int32 [count, rows, seq_len], or [rows, seq_len] if `count` is 0.
at::Tensor to_tensor(const std::vector<std::int32_t>& ids, std::int64_t count, const Batch& batch) {
  std::vector<std::int64_t> shape = {batch.rows, batch.seq_len};
  if (count > 0) shape = {count, batch.rows / count, batch.seq_len};
  const auto tensor = at::empty(shape, at::kInt);
  std::memcpy(tensor.mutable_data_ptr(), ids.data(), ids.size() * sizeof(std::int32_t));
  return tensor;
}

/// Writes the token ids of the first steps and of the validation windows, for training the same batches elsewhere.
ExitCode export_batches(const Options& options, const Families& families) {
  Staged staged(options.out, ExitCode::kConfig);
  const auto config = run_config(options.where, families);
  if (!config.train.batch_warmup.empty() || !config.train.context_warmup.empty()) {
    throw ConfigError(
        "train.batch_warmup, train.context_warmup: one tensor holds batches of one shape only, expected none");
  }
  const auto data = open_run_data(config, config.run.dir, families);
  const auto rows = config.train.global_batch.sequences(config.data.seq_len);
  const auto batch = data.make_batch(0, options.steps * rows);
  NamedTensors tensors = {{"tokens", to_tensor(batch.tokens, options.steps, batch)},
                          {"targets", to_tensor(batch.targets, options.steps, batch)}};
  if (config.data.reset_at_document) {
    tensors.emplace_back("documents", to_tensor(batch.documents, options.steps, batch));
  }
  const auto limit = config.evaluation.tokens ? std::optional(config.evaluation.tokens->value) : std::nullopt;
  for (const auto& set : data.validation_sets()) {
    const auto held_out = set.make_batch(0, set.windows(limit));
    tensors.emplace_back(cat("validation/", set.name(), "/tokens"), to_tensor(held_out.tokens, 0, held_out));
    tensors.emplace_back(cat("validation/", set.name(), "/targets"), to_tensor(held_out.targets, 0, held_out));
  }
  write_safetensors(staged.path(), tensors);
  staged.commit();
  print_result(cat(options.out, ": ", options.steps, " batches of ", rows, " rows"));
  return ExitCode::kDone;
}

/// The streams that `--train` and `--name` pick, in the order of the config.
std::vector<const TokenStream*> chosen_streams(const Options& options, const DataModule& data) {
  std::vector<const TokenStream*> streams;
  std::vector<std::string> names;
  const auto offer = [&](const std::string& name, const TokenStream& stream) {
    names.push_back(name);
    if (options.name.empty() || options.name == name) streams.push_back(&stream);
  };
  if (options.train) {
    const auto sources = data.sources();
    for (std::size_t i = 0; i < sources.size(); ++i) offer(sources[i].name, data.source_stream(i));
  } else {
    for (const auto& set : data.validation_sets()) offer(set.name(), set.stream());
  }
  if (names.empty()) throw DataError(cat(options.where, " holds nothing out: it has no data.validation"));
  if (streams.empty()) {
    throw ConfigError(
        cat("--name: no '", options.name, "', expected ", join(names, ", "), did_you_mean(options.name, names)));
  }
  return streams;
}

/// Writes documents as text, to measure other programs on the same held-out text.
ExitCode write_text(const Options& options, const Families& families) {
  Staged staged(options.out, ExitCode::kConfig);
  const auto config = run_config(options.where, families);
  const auto data = open_run_data(config, config.run.dir, families);
  const auto streams = chosen_streams(options, data);
  const auto separator = separator_of(config.data.train.documents);
  FileWriter file(staged.path(), ExitCode::kData);
  ExportedText all;
  for (const auto* stream : streams) {
    const auto one = export_documents(*stream, data.tokenizer(), separator, [&](auto text) { file.write(text); });
    all.documents += one.documents;
    all.bytes += one.bytes;
  }
  file.finish();
  staged.commit();
  print_result(cat(options.out, ": ", format_grouped(all.documents), " documents, ", format_grouped(all.bytes),
                   " bytes without separators"));
  return ExitCode::kDone;
}

/// A run's data lies in its cache; other folders are taken as they are.
fs::path data_folder(const fs::path& where, const Families& families) {
  if (!fs::exists(where / "config.yaml")) return where;
  const auto config = run_config(where, families);
  return config.data.cache.is_auto() ? where / "data" : fs::path(config.data.cache.value());
}

ExitCode verify(const Options& options, const Families& families) {
  ProgressLine line;
  const auto report =
      verify_data(data_folder(options.where, families), [&](const DataProgress& p) { line.show(progress_text(p)); });
  line.clear();
  if (options.json) {
    const nlohmann::ordered_json out = {{"files", report.files},
                                        {"bytes", report.bytes},
                                        {"tokens", report.tokens},
                                        {"documents", report.documents},
                                        {"problems", report.problems}};
    print_result(out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
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
  show_command->add_option("--step", options->step, "step, from 1")
      ->check(whole_number(1, limits::kUpdates))
      ->capture_default_str();
  show_command->add_option("--rows", options->rows, "rows at most")->check(whole_number(1))->capture_default_str();
  show_command->add_flag("--json", options->json, "one JSON document");
  show_command->footer("Example: ingot data show runs/quickstart --step 100");
  show_command->callback([&line, options] { line.run = [&line, options] { return show(*options, line.families); }; });
  auto* export_command = command->add_subcommand("export", "Write the token ids of batches to a safetensors file");
  export_command->add_option("run", options->where, "run directory")->required();
  export_command->add_option("--out", options->out, "file to write")->required();
  export_command->add_option("--steps", options->steps, "steps from the first")
      ->check(whole_number(1))
      ->capture_default_str();
  export_command->footer("Example: ingot data export runs/quickstart --steps 100 --out batches.safetensors");
  export_command->callback(
      [&line, options] { line.run = [&line, options] { return export_batches(*options, line.families); }; });
  auto* text_command = command->add_subcommand("text", "Write the held-out documents as text");
  text_command->add_option("run", options->where, "run directory")->required();
  text_command->add_option("--out", options->out, "file to write")->required();
  text_command->add_flag("--train", options->train, "the documents that are trained on instead");
  text_command->add_option("--name", options->name, "one held-out set, or with --train one source (default: all)");
  text_command->footer("Example: ingot data text runs/quickstart --out held_out.txt");
  text_command->callback(
      [&line, options] { line.run = [&line, options] { return write_text(*options, line.families); }; });
  auto* verify_command = command->add_subcommand("verify", "Read every byte and check it");
  verify_command->add_option("folder", options->where, "run directory or folder of shards")->required();
  verify_command->add_flag("--json", options->json, "one JSON document");
  verify_command->footer("Example: ingot data verify runs/quickstart");
  verify_command->callback(
      [&line, options] { line.run = [&line, options] { return verify(*options, line.families); }; });
}

}  // namespace ingot
