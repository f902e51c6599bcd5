// Normalize-and-Project: every weight matrix goes back to the Frobenius norm that it began with, and so do the scales
// of norms, so that the learning rate's schedule alone says how far an update turns the weights.
//
//   W <- W |W_0| / |W|                   matrices between activations
//   s <- s |s_0| / |s|                   gains of norms [d], unless `gains: false`: |s_0| = sqrt(d) where they begin as
//                                        1
//
// Embedding and head are left alone: the scale of the logits is theirs. What starts at zero stays free, as biases do:
// the method drops those before a norm. Lyle et al. 2024, "Normalization and effective learning rates in reinforcement
// learning", arXiv:2407.01800, section 4; each update and each 1,000th gave them the same (`every`). The norm before
// each nonlinearity is the model's (a placement), and decay has no place beside it. `initial_norm` is the projection of
// matrices alone, by matrix or by row.

#include "params/kept_norm.h"

namespace ingot::normalize_and_project {
namespace {

struct NapConfig {
  bool gains = true;
};

void describe(Fields& f, NapConfig& c) { f.field("gains", c.gains, "whether gains of norms keep their norm too"); }

class NormalizeAndProject final : public KeptNorm {
 public:
  explicit NormalizeAndProject(const NapConfig& config) : KeptNorm(NormUnit::kMatrix), gains_(config.gains) {}
  bool applies(const ParamInfo& info) const override {
    return KeptNorm::applies(info) || (gains_ && info.roles.has(Role::kGain) && info.shape.size() == 1);
  }

 private:
  bool gains_;
};

}  // namespace
}  // namespace ingot::normalize_and_project

namespace ingot {

void register_normalize_and_project(Family<ConstraintEntry>& family) {
  using namespace normalize_and_project;
  add_constraint<NapConfig, NormalizeAndProject>(family, "normalize_and_project",
                                                 "Matrices and gains go back to the norms that they began with.",
                                                 "Lyle et al. 2024, arXiv:2407.01800", {"{gains: false}"});
}

}  // namespace ingot
