// y = W x

#include "config/fields.h"
#include "nn/linear.h"
#include "registry/add_entry.h"

namespace ingot {
namespace plain_linear {

struct Config {};

void describe(Fields& /*f*/, Config& /*c*/) {}

}  // namespace plain_linear

void register_plain(Family<LinearEntry>& family) {
  add_entry<plain_linear::Config, void>(family, "plain", "The product with the matrix alone.", "");
}

}  // namespace ingot
