#pragma once
// Other values of the masters, laid out as these.

#include "params/store.h"

namespace ingot {

/// The elements of `flat`, laid out as `store.flat_masters()`, where a stored master or the part of one lies, in its
/// shape. A view.
at::Tensor elements_of(const at::Tensor& flat, const Master& part, const ParameterStore& store);

}  // namespace ingot
