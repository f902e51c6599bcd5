#include "train/start_point.h"

#include "base/text.h"
#include "checkpoint/checkpoint.h"
#include "train/resume.h"

namespace ingot {
namespace {

/// What makes the checkpoint's order of samples another one than this run's; "" if they are the same.
std::string other_course(const RunConfig& config, const fs::path& checkpoint, const nlohmann::json& state,
                         const std::string& data_identity, const Families& families) {
  if (state.value("data_identity", "") != data_identity) return "other data";
  const auto saved = checkpoint_config(checkpoint, families);
  const auto differs = [](const char* key, std::int64_t was, std::int64_t is) {
    return cat(key, " ", was, " instead of ", is);
  };
  if (saved.data.seq_len != config.data.seq_len)
    return differs("data.seq_len", saved.data.seq_len, config.data.seq_len);
  return saved.run.seed == config.run.seed ? "" : differs("run.seed", saved.run.seed, config.run.seed);
}

}  // namespace

StartPoint open_start(RunConfig& config, const std::string& data_identity, const Families& families) {
  auto& from = *config.train.start_from;
  StartPoint start;
  start.checkpoint = resolve_checkpoint(from.path);
  const bool all = from.load == StartLoad::kAll;
  if (from.data.is_auto() && !all) from.data = StartPosition{};
  if (all || !from.data.value().at || !from.schedule.at) {
    const auto state = read_state(start.checkpoint);
    const auto saved = counters_from_json(state);
    if (from.data.is_auto() || !from.data.value().at) {
      const auto reason = other_course(config, start.checkpoint, state, data_identity, families);
      if (!reason.empty() && !from.data.is_auto()) {
        throw ConfigError(cat("train.start_from.data: continue: ", start.checkpoint.string(), " was trained with ",
                              reason, ", so its place in the data means nothing here; expected begin or a number"));
      }
      start.other_course = reason;
      from.data = StartPosition{reason.empty() ? saved.samples_consumed : 0};
    }
    if (!from.schedule.at) from.schedule.at = saved.updates + saved.schedule_offset;
    if (all) start.counters.updates = saved.updates;
  }
  start.counters.samples_consumed = first_sample(config);
  start.counters.schedule_offset = first_position(config) - start.counters.updates;
  return start;
}

std::string start_text(const RunConfig& config, const StartPoint& start, std::int64_t schedule_length) {
  const bool all = config.train.start_from->load == StartLoad::kAll;
  auto text = all ? cat("weights and optimizer state of ", format_grouped(start.counters.updates), " updates")
                  : std::string("weights");
  text += cat("; data from sample ", format_grouped(first_sample(config)));
  if (!start.other_course.empty()) text += cat(" (the checkpoint was trained with ", start.other_course, ")");
  return text + cat(", schedule from update ", format_grouped(first_position(config)), " of ",
                    format_grouped(schedule_length));
}

}  // namespace ingot
