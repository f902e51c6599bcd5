#include "train/plan.h"

#include <algorithm>
#include <map>

#include "base/text.h"
#include "recipe/options.h"
#include "registry/variant_text.h"
#include "train/growth.h"
#include "train/make_setup.h"

namespace ingot {
namespace {

constexpr std::int64_t kNominalStepsPerEpoch = 1000;

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::vector<std::string> parts;
  for (const auto n : shape) parts.push_back(std::to_string(n));
  return join(parts, "x");
}

}  // namespace

TrainSetup plan_setup(const RunConfig& config, const Families& families, const PlanOptions& options) {
  DataFacts facts;
  facts.measure = options.measure;
  facts.world_size = options.world_size;
  facts.warns = options.warns;
  facts.vocab_size = options.vocab_size ? *options.vocab_size : planned_vocab_size(config);
  facts.epoch_is_nominal = true;
  facts.tokens_per_epoch =
      kNominalStepsPerEpoch * config.train.global_batch.sequences(config.data.seq_len) * config.data.seq_len;
  return make_setup(config, families, facts);
}

Table parameter_table(const TrainSetup& setup) {
  Table table{"parameters",
              {"shape", "roles", "part", "depth", "init", "parametrization", "constraints", "penalties", "optimizer",
               "lr", "decay"},
              {}};
  std::map<std::string, const GroupAssignment*> trained;
  for (const auto& a : setup.optimizer->assignments()) trained.emplace(a.master->param->name, &a);
  for (const auto& choice : setup.store->choices()) {
    const auto& info = *choice.info;
    const auto found = trained.find(info.name);
    const auto* group = found == trained.end() ? nullptr : found->second;
    table.rows.push_back({info.name,
                          {shape_text(info.shape), join(info.roles.names(), "+"), info.part,
                           info.depth < 0 ? "" : std::to_string(info.depth), choice.init, choice.parametrization_text,
                           join(choice.constraint_texts, "+"), join(choice.penalty_texts, "+"),
                           group ? cat(group->optimizer, "/", group->group) : "none",
                           group ? format_double(group->lr) : "", group ? format_double(group->weight_decay) : ""}});
  }
  return table;
}

Table layer_table(const TrainSetup& setup) {
  Table table{"layers", {"what"}, {}};
  for (const auto& [key, text] : describe_layers(setup.model->resolved())) table.rows.push_back({key, {text}});
  return table;
}

namespace {

/// Learning rates of a group along the run and, closely, at its beginning.
void add_rates(const TrainSetup& setup, const std::string& group, const std::string& key, Table& table) {
  constexpr int kPoints = 50;
  constexpr std::int64_t kEarly = 20;
  const auto total = setup.total_steps;
  const auto rate = [&](std::int64_t update) { return format_double(setup.optimizer->lr(update, group)); };
  for (int i = 0; i <= kPoints; ++i) {
    const auto update = std::clamp<std::int64_t>(1 + total * i / kPoints, 1, total);
    table.rows.push_back({cat(key, " update ", update), {rate(update)}});
  }
  for (std::int64_t update = 1; update < std::min(total, kEarly); ++update) {
    table.rows.push_back({cat(key, " early update ", update), {rate(update)}});
  }
}

/// Where the batch or the length of rows changes.
void add_warmups(const TrainSetup& setup, Table& table) {
  const auto& train = setup.config.train;
  if (train.batch_warmup.empty() && train.context_warmup.empty()) return;
  std::pair<std::int64_t, std::int64_t> before;
  for (std::int64_t step = 0; step < setup.total_steps; ++step) {
    const std::pair now(setup.rows_of_step(step), setup.length_of_step(step));
    if (now == before) continue;
    table.rows.push_back({cat("from update ", step + 1), {cat(now.first, " sequences in pieces of ", now.second)}});
    before = now;
  }
}

}  // namespace

Table course_table(const TrainSetup& setup) {
  Table table{"course", {"value"}, {}};
  const auto& config = setup.config;
  const auto add = [&](const std::string& key, const std::string& value) { table.rows.push_back({key, {value}}); };
  add("steps", std::to_string(setup.total_steps));
  add("sequences per step", std::to_string(setup.rows_per_step));
  add_warmups(setup, table);
  add("seq_len", std::to_string(config.data.seq_len));
  for (const auto& [group, optimizer, modifiers] : setup.optimizer->groups()) {
    const bool is_default = group == "default";
    const auto of = is_default ? std::string() : cat(" of ", group);
    add("optimizer" + of, optimizer);
    if (!modifiers.empty()) add("modifiers" + of, modifiers);
    add_rates(setup, group, is_default ? "lr of" : cat("lr of ", group, ","), table);
  }
  add("clip", variant_text(config.optim.clip));
  add("average", variant_text(config.optim.average));
  const auto& qk_clip = config.optim.qk_clip;
  if (qk_clip) {
    add("qk_clip",
        cat(format_double(qk_clip->threshold), ", share ", format_double(qk_clip->share), ", every ", qk_clip->every));
  }
  add("objective", variant_text(config.train.objective));
  add("z_loss", format_double(config.train.z_loss));
  return table;
}

std::string growth_text(const TrainSetup& setup) {
  const auto& from = setup.config.train.start_from;
  if (!from || !from->expand) return "";
  try {
    return Growth(setup, stored_shapes(resolve_checkpoint(from->path))).text();
  } catch (const CheckpointError& error) {
    return cat("unknown: ", error.what());
  }
}

std::vector<std::string> compare_tables(const Table& before, const Table& after, std::size_t limit) {
  std::map<std::string, const TableRow*> old_rows;
  for (const auto& row : before.rows) old_rows.emplace(row.key, &row);
  std::vector<std::string> lines;
  std::map<std::string, bool> seen;
  for (const auto& row : after.rows) {
    seen[row.key] = true;
    const auto found = old_rows.find(row.key);
    if (found == old_rows.end()) {
      lines.push_back(cat("  ", row.key, ": new"));
      continue;
    }
    std::vector<std::string> changes;
    for (std::size_t i = 0; i < row.cells.size() && i < before.columns.size(); ++i) {
      const auto& old_cell = found->second->cells[i];
      if (old_cell != row.cells[i]) changes.push_back(cat(before.columns[i], " ", old_cell, " -> ", row.cells[i]));
    }
    if (!changes.empty()) lines.push_back(cat("  ", row.key, ": ", join(changes, "; ")));
  }
  for (const auto& row : before.rows) {
    if (!seen[row.key]) lines.push_back(cat("  ", row.key, ": gone"));
  }
  if (lines.size() > limit) {
    const auto rest = lines.size() - limit;
    lines.resize(limit);
    lines.push_back(cat("  … and ", rest, " more ", before.title));
  }
  return lines;
}

std::string table_text(const Table& table) {
  std::vector<std::vector<std::string>> grid;
  std::vector<std::string> header{table.title};
  header.insert(header.end(), table.columns.begin(), table.columns.end());
  grid.push_back(header);
  for (const auto& row : table.rows) {
    std::vector<std::string> line{row.key};
    line.insert(line.end(), row.cells.begin(), row.cells.end());
    grid.push_back(line);
  }
  std::vector<std::size_t> widths(header.size(), 0);
  for (const auto& line : grid) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  std::string text;
  for (const auto& line : grid) {
    std::string out;
    for (std::size_t i = 0; i < line.size(); ++i) {
      out += line[i];
      if (i + 1 < line.size()) out += std::string(widths[i] - line[i].size() + 2, ' ');
    }
    text += out.substr(0, out.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

}  // namespace ingot
