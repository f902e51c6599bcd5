#pragma once
// Weights to evaluate that are others than those that are trained (averages, schedule-free optimizers), as the model
// files of a checkpoint hold them: "layers.0.ffn.up.weight@evaluation" beside "layers.0.ffn.up.weight". Loads that do
// not ask for them pass over them.

#include <functional>
#include <string>

#include "base/files.h"
#include "params/store.h"

namespace ingot {

/// `flat`, laid out as `store.flat_masters()`, by the names of the trained masters. Views.
StateTensors evaluation_state(const ParameterStore& store, const at::Tensor& flat);

/// The name in a checkpoint of what is called `name` here.
using NameThere = std::function<std::string(const std::string& name)>;
/// Entries that load a checkpoint's weights to evaluate into the store's masters, under their names here; none if it
/// has none. They go behind those of `store.state()`: the later of two entries of a tensor stands. `name_there` null:
/// names are the same.
StateTensors evaluation_entries(const ParameterStore& store, const fs::path& checkpoint,
                                const NameThere& name_there = {});

}  // namespace ingot
