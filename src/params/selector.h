#pragma once
// The one selector of the config: `match: {role: [reads_stream, inner], depth: 0..3, name: "layers.*.mixer.q.weight"}`.

#include <optional>
#include <string>
#include <vector>

#include "config/fields.h"
#include "config/units.h"
#include "params/param_info.h"

namespace ingot {

class Fields;

/// A role by its name.
template <>
struct Codec<Role> {
  static std::string expected();
  static bool parse(const Scalar& scalar, Role& role);
  static Scalar format(const Role& role);
  static const char* json_type() { return "string"; }
  static std::optional<double> number(const Role&) { return std::nullopt; }
  static std::vector<std::string> choices() { return role_names(); }
};

/// Keys AND, lists OR; an absent key matches everything.
struct Selector {
  OneOrMany<Role> role;
  OneOrMany<std::string> part;
  OneOrMany<std::string> op;  // key `operator`
  std::optional<DepthRange> depth;
  OneOrMany<std::string> name;  // globs over the full name

  /// `num_sublayers` resolves negative and percentage depths. Parameters outside the stack have no depth and match no
  /// range.
  bool matches(const ParamInfo& info, int num_sublayers) const;
  /// As in the config, for messages: "{role: [gain, bias], depth: 0..3}".
  std::string text() const;
};
void describe(Fields& f, Selector& s);

}  // namespace ingot
