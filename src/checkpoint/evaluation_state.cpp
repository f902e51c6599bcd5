#include "checkpoint/evaluation_state.h"

#include "base/text.h"
#include "checkpoint/checkpoint.h"
#include "params/flat_elements.h"

namespace ingot {
namespace {

std::string evaluation_name(const Master& master) { return cat(master.name, kConstraintMark, "evaluation"); }

/// `tensor_of` gives the tensor of an owned part.
template <class F>
StateTensors by_master(const ParameterStore& store, F tensor_of) {
  StateTensors out;
  auto part = store.owned().begin();
  for (const Master& master : store.masters()) {
    const bool is_owned = part != store.owned().end() && part->index == master.index;
    if (master.trained) {
      out.emplace_back(evaluation_name(master), is_owned ? tensor_of(*part) : at::Tensor(), master.shape,
                       is_owned ? part->begin : 0);
    }
    if (is_owned) ++part;
  }
  return out;
}

}  // namespace

StateTensors evaluation_state(const ParameterStore& store, const at::Tensor& flat) {
  return by_master(store, [&](const Master& part) { return elements_of(flat, part, store); });
}

StateTensors evaluation_entries(const ParameterStore& store, const fs::path& checkpoint, const NameThere& name_there) {
  const auto stored = stored_shapes(checkpoint);
  for (const Master& master : store.masters()) {
    const auto name = evaluation_name(master);
    if (master.trained && stored.count(name_there ? name_there(name) : name) == 0) return {};
  }
  return by_master(store, [](const Master& part) { return part.value; });
}

}  // namespace ingot
