#pragma once
// Weights to evaluate that are others than those that are trained (averages, schedule-free optimizers), as the model
// files of a checkpoint hold them: "layers.0.ffn.up.weight@evaluation" beside "layers.0.ffn.up.weight". Loads that do
// not ask for them pass over them.

#include "base/files.h"
#include "params/store.h"

namespace ingot {

/// `flat`, laid out as `store.flat_masters()`, by the names of the trained masters. Views.
StateTensors evaluation_state(const ParameterStore& store, const at::Tensor& flat);

/// Entries that load a checkpoint's weights to evaluate into the store's masters; none if it has none. They go behind
/// those of `store.state()`: the later of two entries of a tensor stands.
StateTensors evaluation_entries(const ParameterStore& store, const fs::path& checkpoint);

}  // namespace ingot
