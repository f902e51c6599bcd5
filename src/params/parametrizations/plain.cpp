// The weight itself is trained.
//
//   W = w        dw = dW

#include "config/fields.h"
#include "params/identity.h"

namespace ingot {
namespace plain {
namespace {

struct PlainConfig {};

void describe(Fields&, PlainConfig&) {}

}  // namespace
}  // namespace plain

void register_plain(Family<ParametrizationEntry>& family) {
  auto& entry = family.add<plain::PlainConfig>("plain", "The weight itself is trained.", "");
  entry.make = [](const ConfigObject&) { return std::make_unique<IdentityParametrization>(); };
}

}  // namespace ingot
