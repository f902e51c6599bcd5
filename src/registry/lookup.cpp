#include "registry/lookup.h"

namespace ingot {

const Entry* FamiliesLookup::find(const std::string& family, const std::string& name) const {
  const AnyFamily* found = families_.find(family);
  return found != nullptr ? found->find(name) : nullptr;
}

std::vector<std::string> FamiliesLookup::names(const std::string& family) const {
  const AnyFamily* found = families_.find(family);
  return found != nullptr ? found->names() : std::vector<std::string>{};
}

}  // namespace ingot
