#pragma once
// What registering a variant takes: its names, its settings and its class.

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "config/fields.h"
#include "registry/family.h"

namespace ingot {

/// Settings beside the defaults under which conformance tests try a variant too, as in the config: "{per: matrix}".
using SettingsSamples = std::vector<std::string>;

/// Problems of settings that concern several of them: the key that each is told beside, and what is wrong.
using SettingsProblems = std::vector<std::pair<std::string, std::string>>;

/// Settings of a variant that has none.
struct NoSettings {};
inline void describe(Fields& /*f*/, NoSettings& /*c*/) {}

/// A K from what its constructor takes: settings and context, one of them, or nothing.
template <class K, class C, class... Context>
std::unique_ptr<K> construct(const C& settings, const Context&... context) {
  if constexpr (std::is_constructible_v<K, const C&, const Context&...>) {
    return std::make_unique<K>(settings, context...);
  } else if constexpr (std::is_constructible_v<K, const C&>) {
    return std::make_unique<K>(settings);
  } else if constexpr (std::is_default_constructible_v<K>) {
    return std::make_unique<K>();
  } else {
    return std::make_unique<K>(context...);
  }
}

/// `make` constructs a K; null where K is void.
template <class C, class K, class Base, class... Context>
void make_with(std::function<std::unique_ptr<Base>(const ConfigObject& settings, Context... context)>& make) {
  make = [](const ConfigObject& settings, Context... context) -> std::unique_ptr<Base> {
    if constexpr (std::is_void_v<K>) {
      return nullptr;
    } else {
      return construct<K>(settings_as<C>(settings), context...);
    }
  };
}

/// Adds the variant K with settings C; the caller then fills what the entry has beside `make` and `reference`.
///   K          may be void where the family takes a null object for "leave it as it is"
///   reference  where entries of the family have one: the function `reference(settings, …)` in the namespace of C
template <class C, class K, class E>
E& add_entry(Family<E>& family, std::string name, std::string summary, std::string paper) {
  E& entry = family.template add<C>(std::move(name), std::move(summary), std::move(paper));
  make_with<C, K>(entry.make);
  if constexpr (requires { entry.reference; }) {
    entry.reference = with_settings<C>([](const C& settings, const auto&... in) { return reference(settings, in...); });
  }
  return entry;
}

}  // namespace ingot
