// How far an update moves each parameter: ‖ΔW‖, ‖W‖ and ‖ΔW‖ / ‖W‖.
//
// W: a stored tensor (a master) before the update, ΔW: what the optimizer, its decay and the constraints change;
// Frobenius norms in fp32 sums. About 1e-3 for matrices under Adam is the usual rule of thumb (Karpathy's lectures).

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <vector>

#include "params/selector.h"
#include "recipe/probe.h"
#include "train/train_run.h"

namespace ingot::update_norms {
namespace {

struct UpdateNormsConfig : ProbeConfig {
  Selector match;
};
void describe(Fields& f, UpdateNormsConfig& c) {
  describe_probe(f, c);
  f.field("match", c.match, "the parameters that are measured; absent: all");
}

class UpdateNorms final : public Probe {
 public:
  explicit UpdateNorms(const UpdateNormsConfig& config) : match_(config.match) {}
  bool needs_update() const override { return true; }

  void before_update(const TrainRun& run) override {
    before_.clear();
    if (!run.shares_masters() && !run.record.active()) return;  // rank 0 has all of it
    for (const auto& master : run.setup.store->owned()) {
      if (chosen(run, master)) before_.push_back(master.value.clone());
    }
  }

  nlohmann::ordered_json measure(const TrainRun& run) override {
    const auto& masters = run.setup.store->masters();
    auto squares = at::zeros({2, std::ssize(masters)}, at::kDouble);  // of ΔW, of W
    auto before = before_.begin();
    for (const auto& part : run.setup.store->owned()) {
      if (before == before_.end() || !chosen(run, part)) continue;
      const auto index = static_cast<std::int64_t>(part.index);
      squares[0][index] += at::linalg_vector_norm(part.value - *before, 2).square().cpu().to(at::kDouble);
      squares[1][index] += at::linalg_vector_norm(*before, 2).square().cpu().to(at::kDouble);
      ++before;
    }
    if (run.shares_masters()) run.world.sum(squares);
    before_.clear();
    nlohmann::ordered_json out = {{"update", {}}, {"weight", {}}, {"ratio", {}}};
    for (const auto& master : masters) {
      if (!chosen(run, master)) continue;
      const auto index = static_cast<std::int64_t>(master.index);
      const double update = std::sqrt(squares[0][index].item<double>()),
                   weight = std::sqrt(squares[1][index].item<double>());
      out["update"][master.name] = update;
      out["weight"][master.name] = weight;
      out["ratio"][master.name] = weight > 0 ? update / weight : 0.0;
    }
    return out;
  }

 private:
  bool chosen(const TrainRun& run, const Master& master) const {
    return master.trained && match_.matches(*master.param, run.setup.model->num_sublayers());
  }

  Selector match_;
  std::vector<at::Tensor> before_;  // of what this rank owns, in order
};

}  // namespace
}  // namespace ingot::update_norms

namespace ingot {

void register_update_norms(Family<ProbeEntry>& family) {
  using namespace update_norms;
  add_probe<UpdateNormsConfig, UpdateNorms>(family, "update_norms", "How far an update moves each parameter",
                                            "usual diagnostic");
}

}  // namespace ingot
