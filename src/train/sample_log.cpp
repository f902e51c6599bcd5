#include "train/sample_log.h"

#include <cstdio>
#include <nlohmann/json.hpp>

namespace ingot {
namespace {

fs::path path_of(const fs::path& run_dir, int rank) {
  char name[32];
  std::snprintf(name, sizeof name, "rank-%05d.jsonl", rank);
  return run_dir / "samples" / name;
}

}  // namespace

SampleLog::SampleLog(const fs::path& run_dir, int rank, std::int64_t attempt)
    : attempt_(attempt), file_(path_of(run_dir, rank)) {}

void SampleLog::add(const std::vector<std::int64_t>& samples) {
  samples_.insert(samples_.end(), samples.begin(), samples.end());
}

void SampleLog::end_step(std::int64_t step) {
  const nlohmann::ordered_json line = {{"attempt", attempt_}, {"step", step}, {"samples", samples_}};
  file_.append(line.dump() + "\n");
  samples_.clear();
}

}  // namespace ingot
