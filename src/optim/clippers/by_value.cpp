// Clipping of every element.
//
//   g ← min(max(g, -c), c)        g: an element of the mean gradient over target tokens, c: max_value
//
// It changes the direction of the gradient. As torch.nn.utils.clip_grad_value_.

#include <ATen/core/Tensor.h>

#include "config/fields.h"
#include "config/units.h"
#include "optim/clipper.h"

namespace ingot::by_value {
namespace {

struct ByValueConfig {
  double max_value = 1;
};

void describe(Fields& f, ByValueConfig& c) {
  f.field("max_value", c.max_value, "largest absolute value of an element that is left as it is", Rule{}.above(0));
}

class ByValue final : public Clipper {
 public:
  explicit ByValue(const ByValueConfig& config) : max_value_(config.max_value) {}
  bool clips_units() const override { return true; }
  void clip_units_of(const Master& part, double scale) const override {
    at::Tensor grad = part.grad;
    grad.clamp_(-max_value_ / scale, max_value_ / scale);
  }

 private:
  double max_value_;
};

}  // namespace
}  // namespace ingot::by_value

namespace ingot {

void register_by_value(Family<ClipperEntry>& family) {
  add_entry<by_value::ByValueConfig, by_value::ByValue>(family, "by_value", "Bounds every element of the gradients.",
                                                        "")
      .samples = {"{max_value: 0.01}"};
}

}  // namespace ingot
