// Start values, learning rates and decay as they are written, whatever the width.

#include "params/scaling.h"

namespace ingot {

void register_standard(Family<ScalingEntry>& family) {
  add_scaling<NoSettings, Scaling>(family, "standard", "Everything as it is written, whatever the width.", "");
}

}  // namespace ingot
