#include "optim/schedule_golden.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "optim/bench.h"

namespace ingot::testing {

std::unique_ptr<Schedule> make_schedule(const std::string& yaml, std::int64_t total) {
  const auto schedule = read_schedule(yaml);
  ScheduleContext context;
  context.total_steps = total;
  return schedule.entry().make(schedule.settings(), context);
}

void check_golden_schedules(const std::string& kind) {
  std::ifstream file(INGOT_SOURCE_DIR "/tests/golden/schedules.json");
  ASSERT_TRUE(file);
  const auto cases = nlohmann::json::parse(file);
  int checked = 0;
  for (const auto& [name, golden] : cases.items()) {
    if (golden.at("kind") != kind) continue;
    SCOPED_TRACE(name);
    std::string yaml = cat("{type: ", kind, ", warmup: ", golden.value("warmup", 0), " steps");
    if (kind != "constant") yaml += cat(", final_ratio: ", golden.value("final_ratio", 0.0));
    if (kind == "wsd") {
      yaml += cat(", decay: ", golden.at("decay").get<int>(),
                  " steps, shape: ", golden.value("shape", std::string("linear")));
    }
    const auto schedule = make_schedule(golden.value("yaml", yaml + "}"), golden.at("total"));
    const auto factors = golden.at("factors").get<std::vector<double>>();
    for (std::size_t t = 0; t < factors.size(); ++t) {
      EXPECT_NEAR(schedule->factor(static_cast<std::int64_t>(t)), factors[t], 1e-14) << "update " << t;
    }
    ++checked;
  }
  EXPECT_GT(checked, 0);
}

}  // namespace ingot::testing
