#include "cli/run_data.h"

namespace ingot {

DataModule open_run_data(const RunConfig& config, const fs::path& run_dir, const Families& families) {
  PrepareOptions prepare;
  prepare.run_dir = run_dir;
  prepare.seed = static_cast<std::uint64_t>(config.run.seed);
  prepare.may_build = false;
  prepare.text = TextUse::kIgnore;
  return prepare_data(config.data, families.get<TokenizerEntry>(), prepare);
}

}  // namespace ingot
