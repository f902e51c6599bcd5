#include "train/plan.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/command.h"
#include "device/machine.h"
#include "train/report.h"

namespace ingot {
namespace {

struct Options {
  std::string config;
  std::vector<std::string> overrides;
  std::int64_t vocab_size = 0;
  bool json = false;
  bool params = false;
  bool layers = false;
};

nlohmann::ordered_json plan_json(const Experiment& experiment, bool with_params) {
  const auto memory = plan_memory(experiment);
  const auto flops = experiment.model->flops(experiment.config.data.seq_len);
  const auto available = memory_use().available;
  nlohmann::ordered_json by_role;
  for (const auto& [role, count] : parameters_by_role(*experiment.store)) by_role[role] = count;
  nlohmann::ordered_json items = nlohmann::json::array();
  for (const auto& row : flops.rows)
    items.push_back({{"operator", row.op}, {"item", row.item}, {"forward", row.flops}});
  nlohmann::ordered_json out = {{"parameters", {{"total", experiment.store->num_parameters()}, {"by_role", by_role}}},
                                {"flops_per_token", flops.training_per_token()},
                                {"flops_forward_per_token", flops.forward_per_token},
                                {"flops_items", items},
                                {"memory",
                                 {{"weights", memory.weights},
                                  {"masters", memory.masters},
                                  {"gradients", memory.gradients},
                                  {"optimizer", memory.optimizer},
                                  {"activations", memory.activations},
                                  {"total", memory.total()},
                                  {"available", available}}},
                                {"fits", memory.total() <= available},
                                {"tokens_per_step", experiment.tokens_per_step},
                                {"steps", experiment.total_steps},
                                {"micro_batch", experiment.micro_batch},
                                {"vocab_size", experiment.vocab_size},
                                {"state_bytes_per_row", experiment.model->state_bytes(experiment.config.data.seq_len)}};
  if (with_params) {
    const auto table = parameter_table(experiment);
    for (const auto& row : table.rows) {
      nlohmann::ordered_json line = {{"name", row.key}};
      for (std::size_t i = 0; i < table.columns.size(); ++i) line[table.columns[i]] = row.cells[i];
      out["params"].push_back(line);
    }
  }
  return out;
}

std::string plan_text(const Experiment& experiment) {
  const auto memory = plan_memory(experiment);
  const auto flops = experiment.model->flops(experiment.config.data.seq_len);
  const auto available = memory_use().available;
  const auto bytes = [](std::int64_t n) { return format_bytes(static_cast<double>(n)); };
  std::string text = cat("parameters  ", format_grouped(experiment.store->num_parameters()), "\n");
  for (const auto& [role, count] : parameters_by_role(*experiment.store))
    text += cat("  ", role, "  ", format_grouped(count), "\n");
  text += cat("FLOPs per token  ", format_count(flops.training_per_token()), " (forward ",
              format_count(flops.forward_per_token), ")\n");
  for (const auto& row : flops.rows) text += cat("  ", row.op, " ", row.item, "  ", format_count(row.flops), "\n");
  text += cat("memory  ", bytes(memory.total()), ", ", memory.total() <= available ? "fits" : "does NOT fit", " in ",
              bytes(available), "\n", "  weights ", bytes(memory.weights), "\n  masters ", bytes(memory.masters),
              "\n  gradients ", bytes(memory.gradients), "\n  optimizer ", bytes(memory.optimizer), "\n  activations ",
              bytes(memory.activations), " (micro-batch ", experiment.micro_batch, ")\n");
  text += cat("tokens per step  ", format_grouped(experiment.tokens_per_step), "\nsteps  ",
              format_grouped(experiment.total_steps), "\n");
  return text;
}

}  // namespace

void add_plan(CLI::App& app, CommandLine& line) {
  auto* command = app.add_subcommand("plan", "Show what a config would do: sizes, FLOPs, memory, parameters");
  auto options = std::make_shared<Options>();
  command->add_option("config", options->config, "YAML file")->required();
  command->add_option("overrides", options->overrides, "path=value, path+=value, ~path");
  command->add_option("--vocab-size", options->vocab_size, "in place of the tokenizer's")->check(CLI::PositiveNumber);
  command->add_flag("--json", options->json, "one JSON document");
  command->add_flag("--params", options->params, "each parameter and what acts on it");
  command->add_flag("--layers", options->layers, "each sub-layer and its norms");
  command->footer("Example: ingot plan configs/nemotron_flash_1b.yaml --json");
  command->callback([&line, options] {
    line.run = [&line, options] {
      const auto config = load_config(options->config, options->overrides, line.families, UnsetNames::kAccept);
      PlanOptions plan;
      plan.probe = false;
      if (options->vocab_size > 0) plan.vocab_size = options->vocab_size;
      const auto experiment = plan_experiment(config, line.families, plan);
      if (options->json) {
        print_result(plan_json(experiment, options->params).dump(2));
        return ExitCode::kDone;
      }
      std::string text = plan_text(experiment);
      if (options->layers) text += "\n" + table_text(layer_table(experiment));
      if (options->params) text += "\n" + table_text(parameter_table(experiment));
      print_result(text);
      return ExitCode::kDone;
    };
  });
}

}  // namespace ingot
