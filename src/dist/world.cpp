#include "dist/world.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/util/Logging.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "dist/meeting.h"
#include "dist/pulse.h"

namespace ingot {

using namespace dist_detail;

namespace {

constexpr double kPatience = 60;  // seconds of silence of a rank's pulse, or the timeout if that is less
constexpr auto kShortPoll = std::chrono::milliseconds(1);
constexpr auto kLongPoll = std::chrono::milliseconds(50);
constexpr double kLingerSeconds = 4;  // longer than others need to find out who fell silent

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

/// c10d notes every collective in a recorder shared by the groups of a process, and adds a group to it without a lock: the
/// first operations of two groups on two threads crash now and then. The recorder looks at this variable once.
void switch_off_flight_recorder() {
  static std::once_flag once;
  std::call_once(once, [] { setenv("TORCH_FR_BUFFER_SIZE", "0", 1); });
}

c10::intrusive_ptr<c10d::ProcessGroupGloo> make_gloo(const Meeting& meeting, const LaunchPlace& place,
                                                     const std::string& name, double timeout) {
  auto options = c10d::ProcessGroupGloo::Options::create(milliseconds(timeout));
  const auto interface = process_environment()("GLOO_SOCKET_IFNAME");
  options->devices.push_back(
      interface ? c10d::ProcessGroupGloo::createDeviceForInterface(*interface)
                : c10d::ProcessGroupGloo::createDeviceForHostname(address_of(meeting.ranks, place.rank)));
  return c10::make_intrusive<c10d::ProcessGroupGloo>(meeting.client(name), place.rank, place.world_size, options);
}

}  // namespace

struct World::Group {
  Group(const LaunchPlace& where, const std::vector<std::pair<std::string, std::string>>& must_agree,
        const WorldOptions& options)
      : place(where), timeout(options.timeout), meeting(meet(where, introduce(where, must_agree), options.timeout)) {
    switch_off_flight_recorder();
    store = meeting.client("world");
    pulse = std::make_unique<Pulse>(meeting.client("world"), place.rank);
    attempt("connecting to the other ranks", [&] {
      control = make_gloo(meeting, place, "control", timeout);
      data = make_gloo(meeting, place, "data", timeout);
    });
  }

  /// Runs `action`; what goes wrong in it becomes a message about the ranks.
  template <class Action>
  auto attempt(const char* doing, Action&& action) -> decltype(action()) {
    try {
      return action();
    } catch (const Error&) {
      throw;
    } catch (const c10::DistNetworkError& error) {
      throw lost_store(cat(doing, ": ", first_line(error.what())));
    } catch (const std::exception& error) {
      throw explain(cat(doing, ": ", first_line(error.what())));
    }
  }

  std::string name_of(int rank) const { return meeting.ranks[static_cast<std::size_t>(rank)].text(rank); }

  std::string noticed(const std::string& error) const { return cat("; noticed by rank ", place.rank, ", ", error); }

  /// From now on the store is not asked: an answer that comes late would be taken for that of another question.
  Error lost_store(const std::string& error) {
    store_lost = true;
    return DistributedError(
        cat(name_of(0), " has gone or cannot be reached, and with it the ranks' meeting place", noticed(error)));
  }

  /// Who failed, by what is in the store.
  Error explain(const std::string& error) {
    const auto by = noticed(error);
    try {
      const auto start = Clock::now();
      std::vector<std::optional<LastSeen>> first;
      for (int rank = 0; rank < place.world_size; ++rank) first.push_back(last_seen(*store, rank));
      while (seconds_since(start) < 2.5 * kPulseSeconds) {
        if (const auto reason = reported_failure()) return *reason;
        std::this_thread::sleep_for(kLongPoll);
      }
      std::vector<std::string> silent;
      for (int rank = 0; rank < place.world_size; ++rank) {
        const auto now = last_seen(*store, rank);
        const auto& before = first[static_cast<std::size_t>(rank)];
        const bool lives = rank == place.rank || (now && (!before || now->beat != before->beat));
        if (lives) continue;
        silent.push_back(cat(name_of(rank), " was last seen at ", now ? now->text() : "no time"));
      }
      if (!silent.empty()) return DistributedError(cat(join(silent, ", "), by));
      return DistributedError(cat("all ranks show signs of life, but cannot reach each other", by));
    } catch (const std::exception&) {
      return lost_store(error);
    }
  }

  /// What the first rank that failed said.
  std::optional<Error> reported_failure() {
    if (!has_key(*store, "failure")) return std::nullopt;
    const auto value = nlohmann::json::parse(get_text(*store, "failure"));
    return Error(static_cast<ExitCode>(value.at("code").get<int>()), value.at("text").get<std::string>());
  }

  /// Rank 0 may host the store: it stays until the others have left, but not for ever.
  void linger() {
    const auto start = Clock::now();
    while (store->add("left", 0) < place.world_size - 1 && seconds_since(start) < kLingerSeconds) {
      std::this_thread::sleep_for(kShortPoll);
    }
  }

  /// Waits for the keys; gives up when a rank that owes one has been silent for too long, or soon after `given_up`.
  void wait_patiently(const std::vector<std::string>& keys, const std::vector<int>& owed_by,
                      const std::atomic<bool>* given_up = nullptr) {
    attempt("waiting", [&] {
      const auto start = Clock::now();
      auto looked = start;
      std::optional<Clock::time_point> gives_up;
      std::vector<std::int64_t> beats(owed_by.size(), -1);
      std::vector<Clock::time_point> heard(owed_by.size(), start);
      while (!store->check(keys)) {
        const bool early = seconds_since(start) < 0.1;
        std::this_thread::sleep_for(early ? kShortPoll : kLongPoll);
        if (given_up != nullptr && *given_up) {
          if (!gives_up) gives_up = Clock::now();
          if (seconds_since(*gives_up) > kLingerSeconds) throw DistributedError("given up: the run has ended");
        }
        if (seconds_since(looked) < kPulseSeconds) continue;
        looked = Clock::now();
        if (const auto reason = reported_failure()) throw *reason;
        for (std::size_t i = 0; i < owed_by.size(); ++i) {
          if (has_key(*store, keys[i])) continue;
          const auto seen = last_seen(*store, owed_by[i]);
          if (seen && seen->beat != beats[i]) {
            beats[i] = seen->beat;
            heard[i] = looked;
          } else if (seconds_since(heard[i]) > std::min(timeout, kPatience)) {
            throw DistributedError(cat(name_of(owed_by[i]), " was last seen at ", seen ? seen->text() : "no time"));
          }
        }
      }
    });
  }

  LaunchPlace place;
  double timeout;
  Meeting meeting;
  c10::intrusive_ptr<c10d::Store> store;
  std::unique_ptr<Pulse> pulse;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> control, data;
  std::int64_t next_text = 0;
  std::atomic<bool> store_lost = false;
};

World::World() = default;

World::World(const LaunchPlace& place, const std::vector<std::pair<std::string, std::string>>& must_agree,
             const WorldOptions& options)
    : place_(place) {
  if (!place.distributed()) return;
  // c10d warns of every lost connection with a stack trace; what matters is in our own messages.
  ::setenv("TORCH_CPP_LOG_LEVEL", "ERROR", /*overwrite=*/0);
  c10::initLogging();
  group_ = std::make_unique<Group>(place, must_agree, options);
  for (const auto& rank : group_->meeting.ranks) ranks_.push_back({rank.host, rank.pid});
}

void World::decline(const LaunchPlace& place, const std::string& problem, const WorldOptions& options) {
  auto self = introduce(place, {});
  self.problem = problem;
  meet(place, self, options.timeout);
  throw DistributedError(problem);
}

World::~World() = default;

void World::set_phase(std::int64_t step, const char* phase) {
  if (group_) group_->pulse->set_phase(step, phase);
}

std::vector<std::vector<double>> World::all_gather(const std::vector<double>& values) {
  if (!group_) return {values};
  const auto count = static_cast<std::int64_t>(values.size());
  auto mine = at::empty({count}, at::kDouble), all = at::empty({size() * count}, at::kDouble);
  std::copy(values.begin(), values.end(), mine.mutable_data_ptr<double>());
  group_->attempt("agreeing", [&] { group_->control->_allgather_base(all, mine)->wait(); });
  std::vector<std::vector<double>> out;
  const auto* data = all.const_data_ptr<double>();
  for (int rank = 0; rank < size(); ++rank) out.emplace_back(data + rank * count, data + (rank + 1) * count);
  return out;
}

void World::sum(at::Tensor& values) {
  if (!group_ || values.numel() == 0) return;
  std::vector<at::Tensor> tensors{values};
  group_->attempt("agreeing", [&] { group_->control->allreduce(tensors)->wait(); });
}

std::string World::broadcast(const std::string& text) {
  if (!group_) return text;
  auto& store = *group_->store;
  const auto key = cat("text/", group_->next_text++);
  if (is_first()) {
    group_->attempt("broadcasting", [&] { set_text(store, key, text); });
    return text;
  }
  group_->wait_patiently({key}, {0});
  return group_->attempt("broadcasting", [&] { return get_text(store, key); });
}

std::vector<std::string> World::all_gather_text(const std::string& text) {
  if (!group_) return {text};
  auto& store = *group_->store;
  const auto base = cat("text/", group_->next_text++, "/");
  group_->attempt("gathering", [&] { set_text(store, base + std::to_string(rank()), text); });
  std::vector<std::string> keys, out;
  std::vector<int> owed_by;
  for (int rank = 0; rank < size(); ++rank) {
    keys.push_back(base + std::to_string(rank));
    owed_by.push_back(rank);
  }
  group_->wait_patiently(keys, owed_by);
  for (const auto& key : keys) out.push_back(group_->attempt("gathering", [&] { return get_text(store, key); }));
  return out;
}

void World::wait_for_all() { all_gather_text(""); }

void World::broadcast(at::Tensor tensor) {
  if (!group_ || tensor.numel() == 0) return;
  std::vector<at::Tensor> tensors{std::move(tensor)};
  group_->attempt("sending weights", [&] { group_->data->broadcast(tensors)->wait(); });
}

void World::exchange(const at::Tensor& send, const std::vector<std::int64_t>& send_counts, at::Tensor& receive,
                     const std::vector<std::int64_t>& receive_counts) {
  auto from = send;
  if (!group_) {
    receive.copy_(from);
    return;
  }
  auto counts_in = send_counts, counts_out = receive_counts;
  group_->attempt("adding up gradients",
                  [&] { group_->data->alltoall_base(receive, from, counts_out, counts_in)->wait(); });
}

std::unique_ptr<World::Line> World::open_line(const std::string& name) {
  if (!group_) throw std::logic_error("a world of one has no lines");
  return std::unique_ptr<Line>(new Line(*group_, cat("line/", name, "/")));
}

// c10d's clients take one question at a time, and none of these waits for its answer: the main thread's serves.
void World::Line::put(const std::string& key, const std::string& text) {
  group_.attempt("telling", [&] { set_text(*group_.store, name_ + key, text); });
}

std::string World::Line::take(const std::string& key, int owed_by) {
  group_.wait_patiently({name_ + key}, {owed_by}, &hung_up_);
  return group_.attempt("hearing", [&] { return get_text(*group_.store, name_ + key); });
}

World::Report World::report_failure(const Error& error) {
  if (!group_) return Report::kFirst;
  if (group_->store_lost) return Report::kUnheard;
  try {
    auto& store = *group_->store;
    const bool is_first_to = store.add("failures", 1) == 1;
    if (is_first_to) {
      // What one rank says of others needs no name before it.
      const bool of_others = error.code() == ExitCode::kDistributed || is_first();
      const auto text = of_others ? std::string(error.what()) : cat(group_->name_of(rank()), ": ", error.what());
      set_text(store, "failure", nlohmann::json{{"code", static_cast<int>(error.code())}, {"text", text}}.dump());
    }
    if (is_first()) {
      group_->linger();
    } else {
      store.add("left", 1);
    }
    return is_first_to ? Report::kFirst : Report::kRepeated;
  } catch (const std::exception&) {
    return Report::kUnheard;
  }
}

void World::leave() {
  if (!group_) return;
  wait_for_all();
  try {
    if (is_first()) {
      group_->linger();
    } else {
      group_->store->add("left", 1);
    }
  } catch (const std::exception&) {
    // All have done their work.
  }
}

}  // namespace ingot
