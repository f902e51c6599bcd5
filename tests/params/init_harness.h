#pragma once
// Standard deviations that inits give, by their text.

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "base/text.h"
#include "support/weights.h"

namespace ingot::testing {

/// A parameter as operators declare it: part of a sub-layer, [out, in].
inline ParamInfo matrix_info(const std::string& part, RoleSet roles, std::int64_t out, std::int64_t in,
                             int hidden_axis) {
  ParamInfo info;
  info.part = part;
  info.roles = roles;
  info.shape = {out, in};
  info.fan_in = in;
  info.fan_out = out;
  info.hidden_axis = hidden_axis;
  return info;
}

/// Matrices of a model of width 64 with an ffn of width 256.
struct Matrices {
  ParamInfo q = matrix_info("q", Role::kReadsStream, 64, 64, 1);
  ParamInfo v = matrix_info("v", Role::kReadsStream, 32, 64, 1);
  ParamInfo o = matrix_info("o", Role::kWritesStream, 64, 64, 0);
  ParamInfo gate = matrix_info("gate", Role::kReadsStream, 256, 64, 1);
  ParamInfo up = matrix_info("up", Role::kReadsStream, 256, 64, 1);
  ParamInfo down = matrix_info("down", Role::kWritesStream, 64, 256, 0);
  ParamInfo embedding = matrix_info("", Role::kEmbedding, 1000, 64, 1);
};

/// The init that the config text describes, for a model of `num_sublayers` residual branches.
inline std::unique_ptr<Init> make_init(const std::string& yaml, int num_sublayers) {
  const auto config = weights_config("init: " + yaml);
  return config.init.entry().make(config.init.settings(), InitContext{num_sublayers});
}

/// The number in "normal(0, 0.02)"; 0 for "zeros".
inline double std_of(const Init& init, const ParamInfo& info) {
  const auto text = init.text(info);
  return text == "zeros" ? 0 : std::stod(text.substr(text.find(' ')));
}

}  // namespace ingot::testing
