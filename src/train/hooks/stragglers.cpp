#include "train/hooks/stragglers.h"

#include <cstdio>

#include "base/statistics.h"
#include "base/text.h"
#include "train/hooks/all.h"

namespace ingot {
namespace {

constexpr double kSlow = 1.2;  // times the median

}  // namespace

void StragglerWatch::add(const std::vector<RankTimes>& step) {
  for (std::size_t rank = 0; rank < step.size(); ++rank) {
    sums_[rank].compute += step[rank].compute;
    sums_[rank].data_wait += step[rank].data_wait;
  }
  ++steps_;
}

std::string StragglerWatch::take_report() {
  std::vector<double> totals;
  for (const auto& sum : sums_) totals.push_back(sum.compute + sum.data_wait);
  const double usual = median(totals);
  std::vector<std::string> slow;
  for (std::size_t rank = 0; rank < sums_.size(); ++rank) {
    if (totals[rank] <= kSlow * usual) continue;
    char text[160];
    const bool waits = sums_[rank].data_wait > sums_[rank].compute;
    std::snprintf(text, sizeof text, "rank %zu (%s) takes %.2f times the median step, most of it %s", rank,
                  hosts_[rank].c_str(), totals[rank] / usual, waits ? "waiting for data" : "computing");
    slow.emplace_back(text);
  }
  const auto over = steps_;
  sums_.assign(sums_.size(), {});
  steps_ = 0;
  return slow.empty() ? "" : cat("slow over ", over, " steps: ", join(slow, ", "));
}

namespace {

/// Steps over which slow ranks are looked for.
constexpr std::int64_t kSteps = 100;

class Stragglers final : public Hook {
 public:
  explicit Stragglers(TrainRun& run) : record_(run.record), watch_(hosts(run.world)) {}
  std::string name() const override { return "stragglers"; }

  void after_step(const StepReport& report) override {
    watch_.add(report.times);
    if (watch_.steps() < kSteps) return;
    const auto text = watch_.take_report();
    if (!text.empty()) record_.warn(text);
  }

 private:
  static std::vector<std::string> hosts(const World& world) {
    std::vector<std::string> out;
    for (const auto& rank : world.ranks()) out.push_back(rank.host);
    return out;
  }

  RunRecord& record_;
  StragglerWatch watch_;
};

}  // namespace

std::unique_ptr<Hook> make_stragglers(TrainRun& run) {
  return run.world.size() > 1 ? std::make_unique<Stragglers>(run) : nullptr;
}

}  // namespace ingot
