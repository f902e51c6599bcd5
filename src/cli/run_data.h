#pragma once
// The data of a run that exists, as commands open it.

#include "data/data_module.h"
#include "recipe/run_config.h"

namespace ingot {

/// Opens what the run prepared, whatever became of the text, and builds nothing. Throws DataError naming what is
/// missing or has changed.
DataModule open_run_data(const RunConfig& config, const fs::path& run_dir, const Families& families);

}  // namespace ingot
