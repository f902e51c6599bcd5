// No clipping: factor 1.

#include "config/fields.h"
#include "optim/clipper.h"

namespace ingot::no_clipping {
namespace {

struct NoneConfig {};
void describe(Fields&, NoneConfig&) {}

class None final : public Clipper {
 public:
  explicit None(const NoneConfig& /*config*/) {}
};

}  // namespace
}  // namespace ingot::no_clipping

namespace ingot {

void register_none(Family<ClipperEntry>& family) {
  add_entry<no_clipping::NoneConfig, no_clipping::None>(family, "none", "Leaves gradients as they are.", "");
}

}  // namespace ingot
