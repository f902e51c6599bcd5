#pragma once
// The weights that a model computes with, by name, whatever parametrization lies behind them.

#include <map>
#include <string>

#include "params/store.h"

namespace ingot {

/// Of every parameter as `materialise` left it, a view in the compute type. Precondition: the store is allocated and
/// owns all.
std::map<std::string, at::Tensor> effective_weights(const ParameterStore& store);

}  // namespace ingot
