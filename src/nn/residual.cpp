#include "nn/residual.h"

namespace ingot {

Stream Residual::map(Stream stream, const std::function<at::Tensor(const at::Tensor&)>& norm) const {
  for (at::Tensor& tensor : stream.tensors) tensor = norm(tensor);
  return stream;
}

}  // namespace ingot
