#pragma once
// What a config would do, without data: sizes, costs, and everything that acts on each parameter and layer.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "train/setup.h"

namespace ingot {

/// Declares and lays out the model without its weights. `vocab_size` in place of the tokenizer's; `measure` as in
/// DataFacts. Durations in epochs are taken as 1000 steps an epoch, since no data is open.
struct PlanOptions {
  std::optional<std::int64_t> vocab_size;
  Measure measure = Measure::kMemory;
  int world_size = 1;  // memory and time are those of one rank
  bool warns = true;   // of settings that do nothing, in the log
};
TrainSetup plan_setup(const RunConfig& config, const Families& families, const PlanOptions& options);

/// A row of a table: what it is about, then its cells.
struct TableRow {
  std::string key;
  std::vector<std::string> cells;
};
struct Table {
  std::string title;
  std::vector<std::string> columns;  // of the cells
  std::vector<TableRow> rows;
};

/// Each parameter: shape, roles, part, depth, init, parametrization, constraints, optimizer, peak lr, decay.
Table parameter_table(const TrainSetup& setup);
/// Each sub-layer: what it does, with all settings.
Table layer_table(const TrainSetup& setup);
/// The course of the run: steps, batch, learning-rate factor along the run, clipping, loss.
Table course_table(const TrainSetup& setup);

/// How the run takes its sub-layers from the checkpoint that it begins with (Growth::text), or why that cannot be said;
/// "" if it does not grow. Throws ConfigError as Growth does.
std::string growth_text(const TrainSetup& setup);

/// Rows that differ, as text: "  layers.0.mixer.q.weight: init normal(0, 0.02) -> normal(0, 0.01)"; at most `limit`,
///                               then a
/// count of the rest.
std::vector<std::string> compare_tables(const Table& before, const Table& after, std::size_t limit = 20);

/// Aligned columns.
std::string table_text(const Table& table);

}  // namespace ingot
