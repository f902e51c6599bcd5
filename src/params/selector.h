#pragma once
// The one selector of the config: `match: {role: [reads_stream, inner], depth: 0..3, name:
// "layers.*.mixer.q.weight"}`.

#include <optional>
#include <string>
#include <vector>

#include "config/units.h"
#include "params/param_info.h"

namespace ingot {

class Fields;

/// Keys AND, lists OR; an absent key matches everything.
struct Selector {
  OneOrMany<std::string> role;
  OneOrMany<std::string> part;
  OneOrMany<std::string> op;  // key `operator`
  std::optional<DepthRange> depth;
  OneOrMany<std::string> name;  // globs over the full name

  /// `num_sublayers` resolves negative and percentage depths. Parameters outside the stack have no
  /// depth and match no range.
  bool matches(const ParamInfo& info, int num_sublayers) const;
};
void describe(Fields& f, Selector& s);

}  // namespace ingot
