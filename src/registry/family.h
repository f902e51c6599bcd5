#pragma once
// Families of variants by name. They are filled once at the start, by generated tables, and then
// constant.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/variant.h"

namespace ingot {

/// A family seen without its entry type.
class AnyFamily {
 public:
  explicit AnyFamily(std::string name) : name_(std::move(name)) {}
  virtual ~AnyFamily() = default;
  AnyFamily(const AnyFamily&) = delete;
  AnyFamily& operator=(const AnyFamily&) = delete;

  const std::string& name() const { return name_; }
  /// Names in alphabetical order.
  std::vector<std::string> names() const;
  /// nullptr if there is no such entry.
  const Entry* find(const std::string& name) const;
  /// Throws ConfigError with the closest name.
  const Entry& at(const std::string& name) const;

 protected:
  /// Throws std::logic_error on a second entry of one name.
  Entry& insert(std::unique_ptr<Entry> entry);

 private:
  std::string name_;
  std::map<std::string, std::unique_ptr<Entry>> entries_;
};

template <class E>
class Family : public AnyFamily {
 public:
  Family() : AnyFamily(E::kFamily) {}

  /// Adds an entry with settings of type C; the caller then fills what the family's entries have
  /// beside these.
  template <class C>
  E& add(std::string name, std::string summary, std::string paper) {
    auto entry = std::make_unique<E>();
    entry->name = std::move(name);
    entry->summary = std::move(summary);
    entry->paper = std::move(paper);
    entry->defaults = std::make_shared<ConfigBox<C>>();
    return static_cast<E&>(insert(std::move(entry)));
  }

  const E& at(const std::string& name) const { return static_cast<const E&>(AnyFamily::at(name)); }
};

/// All families of the program.
class Families {
 public:
  /// Adds an empty family and returns it.
  template <class E>
  Family<E>& add() {
    auto family = std::make_unique<Family<E>>();
    auto& reference = *family;
    insert(std::move(family));
    return reference;
  }
  template <class E>
  const Family<E>& get() const {
    return static_cast<const Family<E>&>(at(E::kFamily));
  }

  /// Throws std::logic_error if there is no such family: a mistake of the program.
  const AnyFamily& at(const std::string& family) const;
  /// nullptr if there is no such family.
  const AnyFamily* find(const std::string& family) const;
  std::vector<std::string> names() const;

 private:
  void insert(std::unique_ptr<AnyFamily> family);
  std::map<std::string, std::unique_ptr<AnyFamily>> families_;
};

/// A variant of family E with its default settings, bound; for tests and for code that needs one
/// without a config.
template <class E>
Variant<E> make_variant(const Families& families, const std::string& name) {
  Variant<E> variant(name);
  const E& entry = families.get<E>().at(name);
  variant.bind(entry, entry.defaults);
  return variant;
}

}  // namespace ingot
