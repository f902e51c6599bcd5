#include "params/flat_elements.h"

namespace ingot {

at::Tensor elements_of(const at::Tensor& flat, const Master& part, const ParameterStore& store) {
  const auto begin = part.value.storage_offset() - store.flat_masters().storage_offset();
  return flat.narrow(0, begin, part.numel).view(part.shape);
}

}  // namespace ingot
