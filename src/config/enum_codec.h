#pragma once
// Enumerations that are elements of lists or several fields share: instead of `choice` they get a Codec.
//
//   enum class Role { kGain, kBias };
//   inline std::vector<std::pair<std::string, Role>> enum_names(Role) { return {{"gain", Role::kGain}, …}; }
//   template <> struct Codec<Role> : EnumCodec<Role> {};

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/fields.h"

namespace ingot {

template <class E>
struct EnumCodec {
  static std::string expected() {
    std::string text;
    for (const std::string& name : choices()) text += (text.empty() ? "one of " : ", ") + name;
    return text;
  }
  static bool parse(const Scalar& scalar, E& v) {
    for (const auto& [name, value] : enum_names(E{})) {
      if (name == scalar.text) return v = value, true;
    }
    return false;
  }
  static Scalar format(const E& v) {
    for (const auto& [name, value] : enum_names(E{})) {
      if (value == v) return {name};
    }
    return {};
  }
  static const char* json_type() { return "string"; }
  static std::optional<double> number(const E&) { return std::nullopt; }
  static std::vector<std::string> choices() {
    std::vector<std::string> names;
    for (const auto& entry : enum_names(E{})) names.push_back(entry.first);
    return names;
  }
};

/// The name of a value, as configs write it.
template <class E>
std::string enum_name(E value) {
  return EnumCodec<E>::format(value).text;
}

}  // namespace ingot
