#pragma once
// What inits share.

#include <algorithm>
#include <cmath>
#include <string>

#include "base/text.h"
#include "config/units.h"
#include "params/families.h"

namespace ingot::inits {

/// Normal values whose standard deviation depends on the parameter.
class NormalBy : public Init {
 public:
  void fill(at::Tensor& weight, const ParamInfo& info, RandomStream& random) const override {
    normal_init(std_of(info))(weight, info, random);
  }
  std::string text(const ParamInfo& info) const override { return cat("normal(0, ", format_double(std_of(info)), ")"); }

 private:
  virtual double std_of(const ParamInfo& info) const = 0;
};

inline bool is_token_table(const ParamInfo& info) {
  return info.roles.any({Role::kEmbedding, Role::kHead, Role::kMeta});
}

/// Width of the stream that a matrix touches; its input width if it touches the stream on neither side.
inline double stream_width(const ParamInfo& info) {
  const auto axis = static_cast<std::size_t>(info.hidden_axis);
  return static_cast<double>(info.hidden_axis >= 0 ? info.shape[axis] : info.fan_in);
}

/// Xavier's standard deviation: sqrt(2 / (fan_in + fan_out)).
inline double xavier_std(const ParamInfo& info) {
  return std::sqrt(2.0 / static_cast<double>(info.fan_in + info.fan_out));
}

inline bool is_ffn_part(const std::string& part) { return part == "gate" || part == "up" || part == "down"; }

}  // namespace ingot::inits
