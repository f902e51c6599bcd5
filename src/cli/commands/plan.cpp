#include "train/plan.h"

#include <CLI/CLI.hpp>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/command.h"
#include "cli/usage.h"
#include "config/limits.h"
#include "recipe/load.h"
#include "train/memory_plan.h"
#include "train/part_costs.h"
#include "train/run_summary.h"

namespace ingot {
namespace {

struct Options {
  std::string config;
  std::vector<std::string> overrides;
  std::int64_t vocab_size = 0;
  int nproc = 1;
  bool json = false;
  bool params = false;
  bool layers = false;
  bool no_measure = false;
};

/// "D 31 %" of a step's time.
struct TimeShare {
  std::string op;
  double seconds_per_token = 0;
};

std::vector<TimeShare> time_shares(const TrainSetup& setup) {
  const auto& costs = *setup.costs;
  std::vector<TimeShare> shares;
  const auto add = [&](const std::string& op, double seconds) {
    for (auto& share : shares) {
      if (share.op == op) {
        share.seconds_per_token += seconds;
        return;
      }
    }
    shares.push_back({op, seconds});
  };
  for (std::size_t i = 0; i < costs.kind.size(); ++i) {
    add(setup.model->pattern()[i], costs.kinds[static_cast<std::size_t>(costs.kind[i])].seconds_per_token);
  }
  add("head", costs.head_seconds_per_token);
  add("embedding", costs.frame.seconds_per_token);
  add("update", costs.update_seconds / static_cast<double>(setup.tokens_per_rank()));
  return shares;
}

nlohmann::ordered_json time_json(const TrainSetup& setup) {
  const double seconds = step_seconds(setup, *setup.costs);
  nlohmann::ordered_json by_operator;
  for (const auto& share : time_shares(setup)) {
    by_operator[share.op] = share.seconds_per_token * static_cast<double>(setup.tokens_per_rank());
  }
  return {{"step_seconds", seconds},
          {"tokens_per_second", static_cast<double>(setup.tokens_per_step) / seconds},
          {"by_operator", by_operator}};
}

std::string time_text(const TrainSetup& setup) {
  const double seconds = step_seconds(setup, *setup.costs);
  const auto tokens = static_cast<double>(setup.tokens_per_rank());
  std::vector<std::string> shares;
  for (const auto& share : time_shares(setup)) {
    shares.push_back(
        cat(share.op, " ", static_cast<int>(std::lround(100 * share.seconds_per_token * tokens / seconds)), " %"));
  }
  return cat("time  about ", format_duration(seconds), " a step, ",
             format_grouped(std::llround(static_cast<double>(setup.tokens_per_step) / seconds)),
             " tokens/s on this machine: ", join(shares, ", "), "\n");
}

nlohmann::ordered_json plan_json(const TrainSetup& setup, bool with_params) {
  const auto memory = plan_memory(setup);
  const auto flops = setup.model->flops(setup.config.data.seq_len);
  const auto available = available_memory(setup);
  nlohmann::ordered_json by_role;
  for (const auto& [role, count] : parameters_by_role(*setup.store)) by_role[role] = count;
  nlohmann::ordered_json items = nlohmann::json::array();
  for (const auto& row : flops.rows)
    items.push_back({{"operator", row.op}, {"item", row.item}, {"forward", row.flops}});
  nlohmann::ordered_json out = {{"parameters", {{"total", setup.store->num_parameters()}, {"by_role", by_role}}},
                                {"flops_per_token", flops.training_per_token()},
                                {"flops_forward_per_token", flops.forward_per_token},
                                {"flops_items", items},
                                {"memory",
                                 {{"weights", memory.weights},
                                  {"masters", memory.masters},
                                  {"gradients", memory.gradients},
                                  {"optimizer", memory.optimizer},
                                  {"activations", memory.activations},
                                  {"checkpoint", memory.checkpoint},
                                  {"program", memory.program},
                                  {"total", memory.total()},
                                  {"available", available}}},
                                {"fits", memory.total() <= available},
                                {"tokens_per_step", setup.tokens_per_step},
                                {"steps", setup.total_steps},
                                {"micro_batch", setup.micro_batch},
                                {"vocab_size", setup.vocab_size},
                                {"world_size", setup.world_size},
                                {"state_bytes_per_row", setup.model->state_bytes(setup.config.data.seq_len)}};
  if (const auto growth = growth_text(setup); !growth.empty()) out["growth"] = growth;
  if (setup.costs) {
    if (setup.costs->timed) out["time"] = time_json(setup);
    out["largest_micro_batch"] = fitting_rows(setup, *setup.costs);
  }
  if (with_params) {
    const auto table = parameter_table(setup);
    for (const auto& row : table.rows) {
      nlohmann::ordered_json line = {{"name", row.key}};
      for (std::size_t i = 0; i < table.columns.size(); ++i) line[table.columns[i]] = row.cells[i];
      out["params"].push_back(line);
    }
  }
  return out;
}

std::string plan_text(const TrainSetup& setup) {
  const auto memory = plan_memory(setup);
  const auto flops = setup.model->flops(setup.config.data.seq_len);
  const auto available = available_memory(setup);
  const auto bytes = [](std::int64_t n) { return format_bytes(static_cast<double>(n)); };
  std::string text = cat("parameters  ", format_grouped(setup.store->num_parameters()), "\n");
  for (const auto& [role, count] : parameters_by_role(*setup.store))
    text += cat("  ", role, "  ", format_grouped(count), "\n");
  text += cat("FLOPs per token  ", format_count(flops.training_per_token()), " (forward ",
              format_count(flops.forward_per_token), ")\n");
  for (const auto& row : flops.rows) text += cat("  ", row.op, " ", row.item, "  ", format_count(row.flops), "\n");
  text += cat("memory  ", setup.world_size > 1 ? cat("of one of ", setup.world_size, " ranks: ") : "",
              bytes(memory.total()), ", ", memory.total() <= available ? "fits" : "does NOT fit", " in ",
              bytes(available), "\n", "  weights ", bytes(memory.weights), "\n  masters ", bytes(memory.masters),
              "\n  gradients ", bytes(memory.gradients), "\n  optimizer ", bytes(memory.optimizer), "\n");
  if (memory.checkpoint > 0)
    text += cat("  checkpoint ", bytes(memory.checkpoint), " (a copy, while one is written)\n");
  if (memory.program > 0) text += cat("  program ", bytes(memory.program), "\n");
  if (setup.costs) {
    text += cat("  activations ", bytes(memory.activations), " (micro-batch ", setup.micro_batch, "; at most ",
                fitting_rows(setup, *setup.costs), " fit)\n", setup.costs->timed ? time_text(setup) : "");
  }
  text += cat("tokens per step  ", format_grouped(setup.tokens_per_step), "\nsteps  ",
              format_grouped(setup.total_steps), "\n");
  if (const auto growth = growth_text(setup); !growth.empty()) text += cat("grows to  ", growth, "\n");
  return text;
}

}  // namespace

void add_plan(CLI::App& app, CommandLine& line) {
  auto* command = app.add_subcommand("plan", "Show what a config would do: sizes, FLOPs, memory, parameters");
  auto options = std::make_shared<Options>();
  command->add_option("config", options->config, "YAML file")->required();
  command->add_option("overrides", options->overrides, "path=value, path+=value, ~path");
  command->add_option("--vocab-size", options->vocab_size, "in place of the tokenizer's")->check(whole_number(1));
  command->add_option("--nproc", options->nproc, "ranks that train together: memory and time of one of them")
      ->check(whole_number(1, limits::kThreads));
  command->add_flag("--json", options->json, "one JSON document");
  command->add_flag("--params", options->params, "each parameter and what acts on it");
  command->add_flag("--no-measure", options->no_measure,
                    "sizes alone: no activations, no time; precision auto is fp32");
  command->add_flag("--layers", options->layers, "each sub-layer and its norms");
  command->footer("Example: ingot plan configs/nemotron_flash_1b.yaml --json");
  command->callback([&line, options] {
    line.uses_device = true;
    line.run = [&line, options] {
      const auto config = load_config(options->config, options->overrides, line.families, UnsetNames::kAccept);
      PlanOptions plan;
      plan.measure = options->no_measure ? Measure::kNothing : Measure::kMemoryAndTime;
      plan.world_size = options->nproc;
      if (options->vocab_size > 0) plan.vocab_size = options->vocab_size;
      auto setup = plan_setup(config, line.families, plan);
      if (!options->no_measure && !setup.costs) {
        setup.costs = measure_costs(setup, line.families, plan.measure);
      }
      if (options->json) {
        print_result(plan_json(setup, options->params).dump(2));
        return ExitCode::kDone;
      }
      std::string text = plan_text(setup);
      if (options->layers) text += "\n" + table_text(layer_table(setup));
      if (options->params) text += "\n" + table_text(parameter_table(setup));
      print_result(text);
      return ExitCode::kDone;
    };
  });
}

}  // namespace ingot
