#include "train/sample_log.h"

#include <nlohmann/json.hpp>

#include "train/ranks.h"

namespace ingot {
SampleLog::SampleLog(const fs::path& run_dir, int rank, std::int64_t attempt)
    : attempt_(attempt), file_(run_dir / "samples" / (rank_file_name(rank) + ".jsonl")) {}

void SampleLog::add(const std::vector<std::int64_t>& samples) {
  samples_.insert(samples_.end(), samples.begin(), samples.end());
}

void SampleLog::end_step(std::int64_t step) {
  const nlohmann::ordered_json line = {{"attempt", attempt_}, {"step", step}, {"samples", samples_}};
  file_.append(line.dump() + "\n");
  samples_.clear();
}

}  // namespace ingot
