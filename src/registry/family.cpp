#include "registry/family.h"

#include <stdexcept>

#include "base/error.h"
#include "base/text.h"

namespace ingot {

std::vector<std::string> AnyFamily::names() const {
  std::vector<std::string> out;
  for (const auto& [name, entry] : entries_) out.push_back(name);
  return out;
}

const Entry* AnyFamily::find(const std::string& name) const {
  const auto it = entries_.find(name);
  return it != entries_.end() ? it->second.get() : nullptr;
}

const Entry& AnyFamily::at(const std::string& name) const {
  if (const Entry* entry = find(name)) return *entry;
  const auto known = names();
  const std::string hint = did_you_mean(name, known);
  throw ConfigError(cat("no ", name_, " variant is named '", name, "'",
                        hint.empty() ? ", expected one of " + join(known, ", ") : hint));
}

Entry& AnyFamily::insert(std::unique_ptr<Entry> entry) {
  const std::string name = entry->name;
  const auto [it, is_new] = entries_.emplace(name, std::move(entry));
  if (!is_new) throw std::logic_error("two variants of " + name_ + " are named '" + name + "'");
  return *it->second;
}

const AnyFamily* Families::find(const std::string& family) const {
  const auto it = families_.find(family);
  return it != families_.end() ? it->second.get() : nullptr;
}

const AnyFamily& Families::at(const std::string& family) const {
  const AnyFamily* found = find(family);
  if (found == nullptr) throw std::logic_error("no family is named '" + family + "'");
  return *found;
}

std::vector<std::string> Families::names() const {
  std::vector<std::string> out;
  for (const auto& [name, family] : families_) out.push_back(name);
  return out;
}

void Families::insert(std::unique_ptr<AnyFamily> family) {
  const std::string name = family->name();
  if (!families_.emplace(name, std::move(family)).second) {
    throw std::logic_error("two families are named '" + name + "'");
  }
}

}  // namespace ingot
