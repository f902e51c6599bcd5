// No clipping: factor 1.

#include "config/fields.h"
#include "optim/optimizer.h"

namespace ingot::no_clipping {
namespace {

struct NoneConfig {};
void describe(Fields&, NoneConfig&) {}

class None final : public Clipper {
 public:
  double factor(double) const override { return 1; }
};

}  // namespace
}  // namespace ingot::no_clipping

namespace ingot {

void register_none(Family<ClipperEntry>& family) {
  auto& entry = family.add<no_clipping::NoneConfig>("none", "Gradients as they are", "");
  entry.make = [](const ConfigObject&) { return std::make_unique<no_clipping::None>(); };
}

}  // namespace ingot
