#pragma once
// Tagged variants: `norm: {type: rms_norm, eps: 1e-6}`. The keys beside `type` belong to that
// variant alone.

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace ingot {

class Fields;

/// The settings of a variant seen without their type.
class ConfigObject {
 public:
  virtual ~ConfigObject() = default;
  virtual void describe_fields(Fields& f) = 0;
  virtual std::unique_ptr<ConfigObject> clone() const = 0;
};

/// Settings of type C, described by `describe(Fields&, C&)` found by argument-dependent lookup.
template <class C>
class ConfigBox final : public ConfigObject {
 public:
  explicit ConfigBox(C v = {}) : value(std::move(v)) {}
  void describe_fields(Fields& f) override { describe(f, value); }
  std::unique_ptr<ConfigObject> clone() const override { return std::make_unique<ConfigBox>(*this); }
  C value;
};

/// The settings as C. Throws std::logic_error if they are of another type: a mistake of the
/// program, not the user.
template <class C>
const C& settings_as(const ConfigObject& object) {
  const auto* box = dynamic_cast<const ConfigBox<C>*>(&object);
  if (box == nullptr) throw std::logic_error("variant settings of another type");
  return box->value;
}

/// What every member of a family has. Families derive their entry type from it (NormEntry,
/// OptimizerEntry, …), which has
///   static constexpr const char* kFamily = "norms";
struct Entry {
  virtual ~Entry() = default;
  std::string name;     // registry name = file stem
  std::string summary;  // one sentence
  std::string paper;    // "Zhang & Sennrich 2019, arXiv:1910.07467", or where the definition is from
  std::shared_ptr<const ConfigObject> defaults;
};

/// A member of a family chosen by name, with settings. Until a reader binds it to the registry it
/// holds the name only.
class AnyVariant {
 public:
  AnyVariant(std::string family, std::string name) : family_(std::move(family)), name_(std::move(name)) {}
  virtual ~AnyVariant() = default;
  AnyVariant(const AnyVariant&) = default;
  AnyVariant& operator=(const AnyVariant&) = default;

  const std::string& family() const { return family_; }
  const std::string& name() const { return name_; }
  bool bound() const { return entry_ != nullptr; }
  /// Precondition: bound.
  const ConfigObject& settings() const { return *settings_; }
  const Entry& any_entry() const { return *entry_; }

  /// Points at an entry of the registry; the registry must outlive the variant.
  void bind(const Entry& entry, std::shared_ptr<const ConfigObject> settings) {
    name_ = entry.name;
    entry_ = &entry;
    settings_ = std::move(settings);
  }

 private:
  std::string family_;
  std::string name_;
  const Entry* entry_ = nullptr;
  std::shared_ptr<const ConfigObject> settings_;
};

/// `Variant<NormEntry> norm{"rms_norm"}`: the name is the default. An empty name means that there
/// is no default.
template <class E>
class Variant : public AnyVariant {
 public:
  explicit Variant(std::string name = "") : AnyVariant(E::kFamily, std::move(name)) {}
  const E& entry() const { return static_cast<const E&>(any_entry()); }
};

/// Adapts `f(const C& settings, args…)` to a maker that takes the settings without their type.
template <class C, class F>
auto with_settings(F f) {
  return [f](const ConfigObject& settings, auto&&... args) {
    return f(settings_as<C>(settings), std::forward<decltype(args)>(args)...);
  };
}

}  // namespace ingot
