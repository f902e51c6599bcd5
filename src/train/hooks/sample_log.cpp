// samples/rank-00003.jsonl: which samples a rank used at which step, for those who must be able to prove it.

#include <nlohmann/json.hpp>

#include "run/append.h"
#include "train/hooks/all.h"

namespace ingot {
namespace {

class SampleLog final : public Hook {
 public:
  explicit SampleLog(const TrainRun& run) : run_(run) {}
  std::string name() const override { return "sample_log"; }

  void begin() override {
    attempt_ = std::stoll(run_.world.broadcast(std::to_string(run_.record.attempt())));
    file_.emplace(run_.dir() / "samples" / (rank_file_name(run_.world.rank()) + ".jsonl"));
  }
  void on_batch(const Batch& batch) override {
    samples_.insert(samples_.end(), batch.samples.begin(), batch.samples.end());
  }
  /// Before the others know of this step: once it may be saved, the log of every rank has it.
  void before_exchange() override {
    const nlohmann::ordered_json line = {
        {"attempt", attempt_}, {"step", run_.counters.step + 1}, {"samples", samples_}};
    file_->append(line.dump() + "\n");
    samples_.clear();
  }

 private:
  const TrainRun& run_;
  std::int64_t attempt_ = 0;
  std::vector<std::int64_t> samples_;
  std::optional<AppendFile> file_;
};

}  // namespace

std::unique_ptr<Hook> make_sample_log(TrainRun& run) {
  return run.config.log.samples ? std::make_unique<SampleLog>(run) : nullptr;
}

}  // namespace ingot
