#pragma once
// What feed-forwards with a gate share: swiglu, geglu, reglu, sglu.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "config/units.h"
#include "nn/branch.h"
#include "nn/linear.h"

namespace ingot {
class Fields;
}

namespace ingot::gated_ffn {

struct Settings {
  Width width = Width::times(8, 3);
  std::int64_t multiple_of = 1;
  bool hidden_scale = false;
};
void describe(Fields& f, Settings& c);

/// y = W_down (act(W_gate x) ⊙ W_up x)
///
/// x [B, T, d]; W_gate, W_up [w, d], W_down [d, w]; no biases. With `hidden_scale`, s_g ⊙ W_gate x and s_u ⊙ W_up x
/// stand for W_gate x and W_up x; s_g, s_u [w] start at 1 (Loshchilov et al. 2024, arXiv:2410.01131, section 2.4.2:
/// s_v and s_u).
class GatedFfn : public Ffn {
 public:
  at::Tensor forward(const at::Tensor& x, const SequenceContext& context) const override;
  std::vector<FlopItem> flops() const override;

 protected:
  /// `product_flops`: of act(gate) ⊙ up, for each of the w.
  GatedFfn(const Settings& settings, const BranchContext& context, double product_flops);
  /// act(gate) ⊙ up [..., w] of what lies side by side [..., 2 w], in its dtype.
  virtual at::Tensor product(const at::Tensor& gate_up) const = 0;

 private:
  at::Tensor scaled(const at::Tensor& gate_up) const;

  std::int64_t d_model_;
  std::int64_t width_;
  double product_flops_;
  bool recompute_;
  JoinedLinear gate_up_;
  Param gate_scale_, up_scale_;
  std::unique_ptr<Norm> hidden_norm_;
  Linear down_;
};

/// One that is `activated(gate) * up` in plain ATen calls.
class PlainGatedFfn : public GatedFfn {
 protected:
  using GatedFfn::GatedFfn;
  virtual at::Tensor activated(const at::Tensor& gate) const = 0;

 private:
  at::Tensor product(const at::Tensor& gate_up) const final;
};

/// The layer in plain ATen calls, given act(gate) ⊙ up.
at::Tensor reference(const Settings& settings, const at::Tensor& x, const ParamMap& params,
                     const std::function<at::Tensor(const at::Tensor& gate, const at::Tensor& up)>& product);

}  // namespace ingot::gated_ffn
