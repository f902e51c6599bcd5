#pragma once
// What inits share.

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "config/units.h"
#include "params/init.h"

namespace ingot::inits {

enum class Distribution { kNormal, kUniform };
inline std::vector<std::pair<std::string, Distribution>> distribution_names() {
  return {{"normal", Distribution::kNormal}, {"uniform", Distribution::kUniform}};
}

/// Values around 0 whose standard deviation depends on the parameter.
class DrawnBy : public Init {
 public:
  explicit DrawnBy(Distribution distribution) : distribution_(distribution) {}
  void fill(at::Tensor& weight, const ParamInfo& info, RandomStream& random) const override {
    if (distribution_ == Distribution::kNormal) return normal_init(std_of(info))(weight, info, random);
    uniform_init(-bound(info), bound(info))(weight, info, random);
  }
  std::string text(const ParamInfo& info) const override {
    if (distribution_ == Distribution::kNormal) return cat("normal(0, ", format_double(std_of(info)), ")");
    return cat("uniform(", format_double(-bound(info)), ", ", format_double(bound(info)), ")");
  }

 private:
  virtual double std_of(const ParamInfo& info) const = 0;
  double bound(const ParamInfo& info) const { return std::sqrt(3.0) * std_of(info); }
  Distribution distribution_;
};

class NormalBy : public DrawnBy {
 public:
  NormalBy() : DrawnBy(Distribution::kNormal) {}
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
