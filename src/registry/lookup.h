#pragma once
// The registry as the config reader sees it.

#include "config/reader.h"
#include "registry/family.h"

namespace ingot {

class FamiliesLookup final : public VariantLookup {
 public:
  explicit FamiliesLookup(const Families& families) : families_(families) {}
  const Entry* find(const std::string& family, const std::string& name) const override;
  std::vector<std::string> names(const std::string& family) const override;

 private:
  const Families& families_;
};

}  // namespace ingot
