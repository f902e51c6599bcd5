#include "checkpoint/saving_ranks.h"

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "checkpoint/manifest.h"

namespace ingot {

using nlohmann::json;

namespace {

JsonValue message_of(const std::string& text, int rank) {
  return JsonValue::parse(text, {cat("what rank ", rank, " says of a save"), ExitCode::kDistributed});
}

}  // namespace

SavingRanks::SavingRanks(World& world) : world_(world), line_(world.open_line("saves")) {}

std::string SavingRanks::key(const std::string& what) const { return cat(save_, "/", what); }

void SavingRanks::next() {
  ++save_;
  stage_ = Stage::kBegun;
}

void SavingRanks::announce(const std::string& folder) {
  line_->put(key("folder"), json{{"folder", folder}}.dump());
  stage_ = Stage::kAnnounced;
}

SavingRanks::Files SavingRanks::gather() {
  Files out;
  std::string problem;
  for (int rank = 1; rank < world_.size(); ++rank) {
    const auto part = message_of(line_->take(key(cat("part/", rank))), rank);
    out.merge(digests_from(part.at("files")));
    const auto& text = part.at("problem").text();
    if (problem.empty() && !text.empty()) {
      problem = cat("rank ", rank, " (", world_.ranks()[static_cast<std::size_t>(rank)].host, "): ", text);
    }
  }
  stage_ = Stage::kGathered;
  if (!problem.empty()) throw CheckpointError(problem);
  return out;
}

void SavingRanks::conclude(const std::string& problem) {
  if (stage_ == Stage::kBegun) return line_->put(key("folder"), json{{"problem", problem}}.dump());
  if (stage_ == Stage::kAnnounced) {
    try {
      gather();
    } catch (const CheckpointError&) {
      // There is a problem already.
    }
  }
  line_->put(key("end"), problem);
}

std::string SavingRanks::folder() {
  const auto news = message_of(line_->take(key("folder")), 0);
  if (const auto problem = news.find("problem")) throw CheckpointError(problem->text());
  return news.at("folder").text();
}

void SavingRanks::report(const Files& files, const std::string& problem) {
  line_->put(key(cat("part/", world_.rank())), json{{"files", files}, {"problem", problem}}.dump());
}

void SavingRanks::wait_for_end() {
  const auto problem = line_->take(key("end"));
  if (!problem.empty()) throw CheckpointError(problem);
}

void SavingRanks::hang_up() { line_->hang_up(); }

}  // namespace ingot
