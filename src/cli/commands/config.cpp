#include <CLI/CLI.hpp>
#include <memory>

#include "base/text.h"
#include "cli/command.h"
#include "cli/usage.h"
#include "config/dump.h"
#include "config/schema.h"
#include "registry/lookup.h"
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

Experiment plan_of(const RunConfig& config, const Options& options, const Families& families) {
  auto plan = options.plan();
  const auto& tokenizer = config.data.tokenizer;
  const auto& planned = tokenizer.entry().planned_vocab_size;
  if (!plan.vocab_size && !(planned && planned(tokenizer.settings()))) plan.vocab_size = kNominalVocabSize;
  return plan_experiment(config, families, plan);
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

/// Whether everything that the field can do shows in the tables of `plan`.
bool is_planned(const std::string& path) {
  return path.starts_with("model.") || path.starts_with("weights.") || path.starts_with("optim.");
}

std::vector<std::string> effects_between(const Experiment& a, const Experiment& b) {
  std::vector<std::string> effects;
  for (const auto table : {layer_table, parameter_table, course_table}) {
    for (const auto& line : compare_tables(table(a), table(b))) effects.push_back(line);
  }
  return effects;
}

/// Whether giving `base` this one value of the other config changes no table. A value that does not stand alone (the
/// setting of another variant, say) is not judged.
bool is_dead(const Difference& d, const Experiment& base, const Options& options, const Families& families) {
  if (d.field_class == FieldClass::kFree) return true;
  if (!is_planned(d.path) || !d.before || !d.after) return false;
  auto overrides = options.overrides;
  overrides.push_back(cat(d.path, "=", *d.after));
  try {
    const auto config = load_config(options.files[0], overrides, families, UnsetNames::kAccept);
    return effects_between(base, plan_of(config, options, families)).empty();
  } catch (const Error&) {
    return false;
  }
}

/// Compares the resolved configs, then what they make of every parameter, layer and step.
ExitCode compare(const Options& options, const Families& families) {
  const auto a = load_config(options.files[0], options.overrides, families, UnsetNames::kAccept);
  const auto b = load_config(options.files[1], options.overrides, families, UnsetNames::kAccept);
  const auto differences = diff(flatten(a), flatten(b));
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
  const auto plan_a = plan_of(a, options, families);
  const auto plan_b = plan_of(b, options, families);
  const auto effects = effects_between(plan_a, plan_b);
  if (!effects.empty()) text += cat("which changes\n", join(effects, "\n"), "\n");
  std::vector<std::string> dead, outside;
  for (const auto& d : differences) {
    if (is_dead(d, plan_a, options, families)) {
      dead.push_back(d.path);
    } else if (!is_planned(d.path)) {
      outside.push_back(d.path);
    }
  }
  if (!outside.empty()) text += cat("acts outside the model: ", join(outside, ", "), "\n");
  if (!dead.empty()) text += cat("no effect: ", join(dead, ", "), "\n");
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
