// Cross-entropy of next tokens: loss = sum over target tokens t of -log softmax(z_t)[target_t],  z = W h
//
//   h [n, D] hidden states, W [V, D] the head, z [n, V]. In fp32, in chunks of rows so that the logits never exist as a
//   whole; the gradients of h and W are made in the same pass. With train.z_loss c > 0 each token adds c logsumexp(z)²:
//   Chowdhery et al. 2022, "PaLM", arXiv:2204.02311, section 5.

#include <ATen/ops/cross_entropy_loss.h>

#include "config/fields.h"
#include "objective/linear_head.h"
#include "objective/objective.h"

namespace ingot {
namespace cross_entropy {

struct Config {};

void describe(Fields& /*f*/, Config& /*c*/) {}

class CrossEntropy final : public Objective {
 public:
  explicit CrossEntropy(double z_loss) : z_loss_(z_loss) {}

  std::vector<std::string> terms() const override {
    return z_loss_ > 0 ? std::vector<std::string>{"z_loss"} : std::vector<std::string>{};
  }
  LossSums forward(const at::Tensor& hidden, const HeadWeights& head, const at::Tensor& targets) const override {
    const auto sums = ops::linear_cross_entropy(as_rows(hidden), linear_head(head), targets.reshape({-1}), z_loss_);
    LossSums out{sums.total, sums.cross_entropy, {}};
    if (z_loss_ > 0) out.terms.push_back(sums.z_loss);
    return out;
  }

 private:
  double z_loss_;
};

at::Tensor reference(const Config& /*config*/, const at::Tensor& logits, const at::Tensor& targets) {
  return at::cross_entropy_loss(logits, targets, {}, /*reduction: sum*/ 2, /*ignore*/ -1);
}

}  // namespace cross_entropy

void register_cross_entropy(Family<ObjectiveEntry>& family) {
  using cross_entropy::Config;
  ObjectiveEntry& e = family.add<Config>("cross_entropy", "Negative log-likelihood of the next token.",
                                         "Shannon 1948; train.z_loss as in PaLM");
  e.make = [](const ConfigObject&, const ObjectiveContext& context) {
    return std::make_unique<cross_entropy::CrossEntropy>(context.z_loss);
  };
  e.reference = with_settings<Config>(cross_entropy::reference);
}

}  // namespace ingot
