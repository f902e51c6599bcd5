#pragma once
// Adam in a rotated space: what SOAP and its kin share.
//
//   P = QLᵀ G QR                                   QL [m, m], QR [n, n]: orthogonal
//   M = β1·M + (1 - β1)·P,  V = β2·V + (1 - β2)·P²
//   d = QL (M / (sqrt(V) + ε)) QRᵀ
//
// after which the variant's factors L [m, m] and R [n, n] take in G, and every f updates QL and QR move towards their
// eigenvectors and M is rotated along. The first update starts the factors and the bases and changes no weight, so that
// no gradient is projected on a basis that it had a part in. Decay acts after the step. A side without a factor (see
// optim/kronecker.h) is not rotated; what has neither is trained by the same rule, without rotation.

#include <string>
#include <vector>

#include "optim/kronecker.h"

namespace ingot {

class RotatedAdam : public Optimizer {
 public:
  Granularity granularity(const Master& master) const final;
  std::vector<StateSpec> state_specs() const override;
  void direct(std::vector<Slot>& slots, const UpdateContext& context) const final;
  std::int64_t period() const final { return rules().frequency; }

 protected:
  struct Rules {
    kronecker::Moments moments;
    bool correct_bias = true;
    bool normalize = false;       // d over its root mean square
    std::int64_t frequency = 10;  // f, in updates
    bool sorted = true;           // whether columns are put in the order of their eigenvalues, V along with them
    std::int64_t max_precond_dim = 0;
  };
  /// A parameter's factors; those of a side that has none are undefined.
  struct Factors {
    at::Tensor left, right, left_basis, right_basis;
    std::vector<at::Tensor> more;  // the states of `more_states`
  };

  /// As the settings have them now.
  virtual Rules rules() const = 0;
  virtual std::vector<StateSpec> more_states() const { return {}; }
  /// Takes a gradient into the factors. `projected`: P; undefined in the first update, when there are no bases.
  virtual void observe(Factors& factors, const at::Tensor& g, const at::Tensor& projected) const = 0;

 private:
  static Factors factors_of(const Slot& slot, const Rules& rules);
  void direct(Slot& slot, const Rules& rules, const UpdateContext& context) const;
  static void refresh(Slot& slot, const Rules& rules, bool first);
};

}  // namespace ingot
