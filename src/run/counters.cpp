#include "run/counters.h"

namespace ingot {

nlohmann::json to_json(const Counters& c) {
  return {{"step", c.step},
          {"samples_consumed", c.samples_consumed},
          {"updates", c.updates},
          {"tokens", c.tokens},
          {"skipped_in_a_row", c.skipped_in_a_row},
          {"seconds", c.seconds},
          {"schedule_offset", c.schedule_offset}};
}

JsonValue state_value(const nlohmann::json& state) {
  return JsonValue::of(state, {"state.json of the checkpoint", ExitCode::kCheckpoint});
}

Counters counters_from_json(const nlohmann::json& state) {
  constexpr std::int64_t kMost = std::int64_t{1} << 60;  // sums of two still fit
  const auto value = state_value(state);
  Counters c;
  c.step = value.at("step").whole(0, kMost);
  c.samples_consumed = value.at("samples_consumed").whole(0, kMost);
  c.updates = value.at("updates").whole(0, kMost);
  c.tokens = value.at("tokens").whole(0, kMost);
  c.skipped_in_a_row = value.at("skipped_in_a_row").whole(0, kMost);
  c.seconds = value.at("seconds").number();
  if (const auto offset = value.find("schedule_offset")) c.schedule_offset = offset->whole(-kMost, kMost);
  return c;
}

}  // namespace ingot
