#include "params/sample_infos.h"

#include <utility>

namespace ingot::testing {

namespace {

ParamInfo sample_info(RoleSet roles, std::vector<std::int64_t> shape, int hidden_axis) {
  ParamInfo info;
  info.name = "layers.1.mixer.sample.weight";
  info.shape = std::move(shape);
  info.roles = roles;
  info.depth = 1;
  info.hidden_axis = hidden_axis;
  info.fan_out = info.shape[0];
  info.fan_in = info.numel() / info.shape[0];
  return info;
}

}  // namespace

std::vector<ParamInfo> sample_infos() {
  return {sample_info({Role::kEmbedding, Role::kHead}, {17, 8}, 1),
          sample_info(Role::kReadsStream, {12, 8}, 1),
          sample_info(Role::kWritesStream, {8, 12}, 0),
          sample_info(Role::kInner, {6, 10}, -1),
          sample_info(Role::kConv, {12, 4}, -1),
          sample_info(Role::kGain, {8}, -1),
          sample_info(Role::kMeta, {3, 8}, 1)};
}

std::string sample_name(const ParamInfo& info) { return info.roles.names().front(); }

}  // namespace ingot::testing
