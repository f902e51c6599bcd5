#include <CLI/CLI.hpp>
#include <memory>

#include "base/text.h"
#include "cli/command.h"
#include "cli/usage.h"
#include "config/dump.h"
#include "config/schema.h"
#include "recipe/load.h"
#include "registry/lookup.h"
#include "train/config_diff.h"
#include "train/plan.h"

namespace ingot {
namespace {

struct Options {
  std::vector<std::string> files;
  std::vector<std::string> overrides;
  std::int64_t vocab_size = 0;
  std::string field;

  PlanOptions plan() const {
    PlanOptions out;
    out.measure = Measure::kNothing;
    if (vocab_size > 0) out.vocab_size = vocab_size;
    return out;
  }
};

/// A vocabulary that only the text tells is no mistake of the config.
constexpr std::int64_t kNominalVocabSize = 256;

TrainSetup plan_of(const RunConfig& config, const Options& options, const Families& families, bool warns = true) {
  auto plan = options.plan();
  plan.warns = warns;
  const auto& tokenizer = config.data.tokenizer;
  const auto& planned = tokenizer.entry().planned_vocab_size;
  if (!plan.vocab_size && !(planned && planned(tokenizer.settings()))) plan.vocab_size = kNominalVocabSize;
  return plan_setup(config, families, plan);
}

ExitCode check(const Options& options, const Families& families) {
  plan_of(load_config(options.files[0], options.overrides, families, UnsetNames::kAccept), options, families);
  print_result(cat(options.files[0], ": fine"));
  return ExitCode::kDone;
}

/// The config with every default, such that it reads back; paths with names that are not set stay as they are written.
std::string resolved(const Options& options, const Families& families) {
  try {
    return dump_config(load_config(options.files[0], options.overrides, families));
  } catch (const ConfigError&) {
    const auto config = load_config(options.files[0], options.overrides, families, UnsetNames::kAccept);
    return dump_config(config, PathText::kPlain);
  }
}

ExitCode show(const Options& options, const Families& families) {
  if (options.field.empty()) {
    print_result(resolved(options, families));
    return ExitCode::kDone;
  }
  const auto config = load_config(options.files[0], options.overrides, families, UnsetNames::kAccept);
  std::vector<std::string> paths;
  for (const auto& field : flatten(config)) {
    if (field.path == options.field) {
      print_result(field.value);
      return ExitCode::kDone;
    }
    paths.push_back(field.path);
  }
  throw ConfigError(cat("--field: no value '", options.field, "'", did_you_mean(options.field, paths)));
}

/// Compares the resolved configs, then what they make of every parameter, layer and step.
ExitCode compare(const Options& options, const Families& families) {
  const auto a = load_config(options.files[0], options.overrides, families, UnsetNames::kAccept);
  const auto b = load_config(options.files[1], options.overrides, families, UnsetNames::kAccept);
  // Both files' warnings are for `config check`; those of mixtures of the two are nobody's.
  const auto result = compare_configs(
      a, b, families, [&](const RunConfig& config) { return plan_of(config, options, families, false); });
  const auto& differences = result.differences;
  if (differences.empty()) {
    print_result("no difference");
    return ExitCode::kDone;
  }
  std::string text =
      differences.size() == 1 ? "differs only in " : cat("differs in ", differences.size(), " fields:\n");
  for (const auto& d : differences) {
    text += cat(differences.size() == 1 ? "" : "  ", d.path, ": ", d.before.value_or("absent"), " -> ",
                d.after.value_or("absent"), "\n");
  }
  if (!result.effects.empty()) text += cat("which changes\n", join(result.effects, "\n"), "\n");
  if (!result.outside.empty()) text += cat("acts outside the model: ", join(result.outside, ", "), "\n");
  if (!result.dead.empty()) text += cat("no effect: ", join(result.dead, ", "), "\n");
  print_result(text);
  return ExitCode::kDone;
}

ExitCode schema(const Families& families) {
  print_result(json_schema<RunConfig>("Ingot run", FamiliesLookup(families)));
  return ExitCode::kDone;
}

using Action = ExitCode (*)(const Options&, const Families&);

std::shared_ptr<Options> add_action(CLI::App* parent, CommandLine& line, const char* name, const char* help, int files,
                                    Action action) {
  auto* command = parent->add_subcommand(name, help);
  auto options = std::make_shared<Options>();
  command->add_option("files", options->files, "YAML files")->required()->expected(files);
  command->add_option("--set", options->overrides, "path=value, for each file");
  command->add_option("--vocab-size", options->vocab_size, "in place of the tokenizer's")->check(whole_number(1));
  command->callback(
      [&line, options, action] { line.run = [&line, options, action] { return action(*options, line.families); }; });
  return options;
}

}  // namespace

void add_config(CLI::App& app, CommandLine& line) {
  auto* command = app.add_subcommand("config", "Check, show or compare configs");
  command->require_subcommand(1);
  add_action(command, line, "check", "Say every mistake, with its place", 1, check);
  const auto shown = add_action(command, line, "show", "Write the config with every default", 1, show);
  command->get_subcommand("show")->add_option("--field", shown->field, "only this value, such as run.dir");
  add_action(command, line, "diff", "Say how two configs differ, and what the difference does", 2, compare);
  auto* schema_command = command->add_subcommand("schema", "Write the JSON schema, for editors");
  schema_command->callback([&line] { line.run = [&line] { return schema(line.families); }; });
  command->footer("Example: ingot config diff configs/quickstart.yaml mine.yaml");
}

}  // namespace ingot
