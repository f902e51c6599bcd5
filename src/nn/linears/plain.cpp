// y = W x

#include "config/fields.h"
#include "nn/linear.h"

namespace ingot {
namespace plain_linear {

struct Config {};

void describe(Fields& /*f*/, Config& /*c*/) {}

}  // namespace plain_linear

void register_plain(Family<LinearEntry>& family) {
  LinearEntry& e = family.add<plain_linear::Config>("plain", "The product with the matrix alone.", "");
  e.make = [](const ConfigObject&, const LinearContext&) { return std::unique_ptr<LinearOutput>(); };
  e.num_parameters = [](const ConfigObject&, std::int64_t) { return std::int64_t{0}; };
}

}  // namespace ingot
