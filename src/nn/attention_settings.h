#pragma once
// Settings of the mixer `attention`.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nn/branch.h"
#include "nn/query_key.h"

namespace ingot::attention {

struct Config {
  std::optional<std::int64_t> num_heads;
  std::optional<std::int64_t> num_kv_heads;
  std::optional<std::int64_t> head_dim;
  std::optional<std::int64_t> window;
  bool always_see_prefix = false;
  QueryKeyConfig query_key;
  std::optional<double> scale;
  bool head_scale = false;
  std::optional<double> value_residual;
};
void describe(Fields& f, Config& c);

struct Sizes {
  std::int64_t heads, kv_heads, head_dim;

  Sizes(const Config& c, std::int64_t d_model);
};

/// As MixerEntry::validate and MixerEntry::effective.
std::vector<std::pair<std::string, std::string>> validate(const Config& c, std::int64_t d_model);
Config effective(Config c, const SettingsContext& context);

}  // namespace ingot::attention
