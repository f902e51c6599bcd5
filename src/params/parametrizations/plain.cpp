// The weight itself is trained.
//
//   W = w        dw = dW

#include "params/identity.h"

namespace ingot {

void register_plain(Family<ParametrizationEntry>& family) {
  add_parametrization<NoSettings, IdentityParametrization>(family, "plain", "The weight itself is trained.", "");
}

}  // namespace ingot
