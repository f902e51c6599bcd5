#include "dist/group.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include "base/clock.h"
#include "device/gpu.h"
#include "dist/cuda/nccl.h"

namespace ingot::dist_detail {

namespace {

constexpr double kPatience = 60;  // seconds of silence of a rank's heartbeat, or the timeout if that is less
constexpr double kSilentSeconds = 3 * kHeartbeatSeconds;  // of the rendezvous: it answers at every beat
constexpr double kEarlySeconds = 0.1;
constexpr auto kGpuPoll = std::chrono::microseconds(50);
constexpr auto kShortPoll = std::chrono::milliseconds(1);
constexpr auto kLongPoll = std::chrono::milliseconds(50);
constexpr double kLingerSeconds = 4;  // longer than others need to find out who fell silent

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

/// c10d notes every collective in a recorder shared by the groups of a process, and adds a group to it without a lock:
/// the first operations of two groups on two threads crash now and then. The recorder looks at this variable once.
void switch_off_flight_recorder() {
  static std::once_flag once;
  std::call_once(once, [] { setenv("TORCH_FR_BUFFER_SIZE", "0", 1); });
}

c10::intrusive_ptr<c10d::Backend> make_gloo(const Rendezvous& rendezvous, const LaunchPlace& place,
                                            const std::string& name, double timeout) {
  auto options = c10d::ProcessGroupGloo::Options::create(milliseconds(timeout));
  const auto interface = process_environment()("GLOO_SOCKET_IFNAME");
  options->devices.push_back(
      interface ? c10d::ProcessGroupGloo::createDeviceForInterface(*interface)
                : c10d::ProcessGroupGloo::createDeviceForHostname(address_of(rendezvous.ranks, place.rank)));
  return c10::make_intrusive<c10d::ProcessGroupGloo>(rendezvous.client(name), place.rank, place.world_size, options);
}

}  // namespace

Group::Group(const LaunchPlace& where, const std::vector<std::pair<std::string, std::string>>& must_agree,
             const WorldOptions& options)
    : place(where), timeout(options.timeout), rendezvous(meet(where, introduce(where, must_agree), options.timeout)) {
  switch_off_flight_recorder();
  attempt("joining", [&] {
    store = rendezvous.client("world");
    heartbeat = std::make_unique<Heartbeat>(rendezvous.client("world"), place.rank);
  });
  attempt("connecting to the other ranks", [&] {
    control = make_gloo(rendezvous, place, "control", timeout);
    cpus_ = make_gloo(rendezvous, place, "data", timeout);
  });
}

Group::~Group() {
  if (!gpus_) return;
  if (left) {
    gpus_->shutdown();
  } else {
    gpus_->abort();  // `shutdown` would wait for what the others have queued
  }
}

void Group::connect_gpus() {
  attempt("connecting the GPUs", [&] {
    auto gpu_store = rendezvous.client("gpu");
    auto* const made = INGOT_GPU_FUNCTION(ingot_cuda_make_nccl)(gpu_store.get(), place.rank, place.world_size);
    if (made == nullptr) {
      throw DistributedError(
          "the GPU plugin was built without NCCL, which several GPUs need: nccl.h of NCCL 2.28 was not found "
          "(scripts/setup.sh --cuda gets it)");
    }
    gpus_ = c10::intrusive_ptr<c10d::Backend>::reclaim(made);
  });
}

c10d::Backend& Group::carrier(at::Device device) {
  if (device.is_cpu()) return *cpus_;
  if (!gpus_) throw std::logic_error("tensors on a GPU before the GPUs were connected");
  return *gpus_;
}

std::string Group::noticed(const std::string& doing, const std::string& error) const {
  return cat("; noticed by rank ", place.rank, ", ", doing, error.empty() ? "" : ": ", error);
}

Error Group::lost_store(const std::string& doing, bool is_silent) {
  store_lost = true;
  const auto seen = heartbeat ? heartbeat->first_rank() : std::nullopt;
  return DistributedError(cat(name_of(0), " was last seen at ", seen ? seen->text() : "no time",
                              is_silent ? " and does not answer" : " and has gone",
                              ", and with it the ranks' rendezvous", noticed(doing, "")));
}

Error Group::explain(const std::string& doing, const std::string& error) {
  const auto by = noticed(doing, error);
  // Who waited for rank 0 in vain need not wait for its answer.
  if (place.rank != 0 && heartbeat && heartbeat->silence() > kSilentSeconds) return lost_store(doing, true);
  try {
    const auto start = Clock::now();
    const auto first = last_seen(*store, place.world_size);
    while (seconds_since(start) < 2.5 * kHeartbeatSeconds) {
      if (const auto reason = reported_failure()) return *reason;
      std::this_thread::sleep_for(kLongPoll);
    }
    const auto later = last_seen(*store, place.world_size);
    std::vector<std::string> silent;
    for (int rank = 0; rank < place.world_size; ++rank) {
      const auto &before = first[static_cast<std::size_t>(rank)], &now = later[static_cast<std::size_t>(rank)];
      const bool lives = rank == place.rank || (now && (!before || now->beat != before->beat));
      if (lives) continue;
      silent.push_back(cat(name_of(rank), " was last seen at ", now ? now->text() : "no time"));
    }
    if (!silent.empty()) return DistributedError(cat(join(silent, ", "), by));
    return DistributedError(cat("all ranks show signs of life, but cannot reach each other", by));
  } catch (const StoreLost& lost) {
    return lost_store(doing, lost.silent);
  } catch (const std::exception& unclear) {
    return DistributedError(cat(first_line(unclear.what()), by));
  }
}

std::optional<Error> Group::reported_failure() {
  const auto text = store->look("failure");
  if (!text) return std::nullopt;
  const auto value = parse_message(*text, "the failure that a rank reported");
  return Error(static_cast<ExitCode>(value.at("code").whole(0, 255)), value.at("text").text());
}

void Group::linger() {
  const auto start = Clock::now();
  while (store->add("left", 0) < place.world_size - 1 && seconds_since(start) < kLingerSeconds) {
    std::this_thread::sleep_for(kShortPoll);
  }
}

/// Looks after the other ranks while something is awaited, once a second: whoever it is awaited from may be waiting for
/// one of them.
class Group::Vigil {
 public:
  explicit Vigil(Group& group)
      : group_(group), beats_(static_cast<std::size_t>(group.place.world_size), -1), heard_(beats_.size(), looked_) {}

  /// Throws what a rank reported as its failure, or which of them has been silent for too long.
  void look() {
    if (seconds_since(looked_) < kHeartbeatSeconds) return;
    looked_ = Clock::now();
    if (const auto reason = group_.reported_failure()) throw *reason;
    const auto seen = last_seen(*group_.store, group_.place.world_size);
    for (int rank = 0; rank < group_.place.world_size; ++rank) {
      const auto i = static_cast<std::size_t>(rank);
      if (rank == group_.place.rank) continue;
      if (seen[i] && seen[i]->beat != beats_[i]) {
        beats_[i] = seen[i]->beat;
        heard_[i] = looked_;
      } else if (seconds_since(heard_[i]) > std::min(group_.timeout, kPatience)) {
        throw DistributedError(cat(group_.name_of(rank), " was last seen at ", seen[i] ? seen[i]->text() : "no time"));
      }
    }
  }

 private:
  Group& group_;
  Clock::time_point looked_ = Clock::now();
  std::vector<std::int64_t> beats_;  // by rank
  std::vector<Clock::time_point> heard_;
};

void Group::wait_patiently(const std::vector<std::string>& keys, const std::atomic<bool>* given_up) {
  attempt("waiting", [&] {
    const auto start = Clock::now();
    std::optional<Clock::time_point> gives_up;
    Vigil vigil(*this);
    while (!store->has_all(keys)) {
      const bool early = seconds_since(start) < kEarlySeconds;
      std::this_thread::sleep_for(early ? kShortPoll : kLongPoll);
      if (given_up != nullptr && *given_up) {
        if (!gives_up) gives_up = Clock::now();
        if (seconds_since(*gives_up) > kLingerSeconds) throw DistributedError("given up: the run has ended");
      }
      vigil.look();
    }
  });
}

void Group::complete(const c10::intrusive_ptr<c10d::Work>& work, at::Device device) {
  if (device.is_cpu()) {
    work->wait();
    return;
  }
  // NCCL waits for ever for a peer that has died.
  const auto start = Clock::now();
  try {
    Vigil vigil(*this);
    while (!work->isCompleted()) {
      const double waited = seconds_since(start);
      if (waited > timeout) throw std::runtime_error(cat("not done after ", static_cast<std::int64_t>(waited), " s"));
      if (waited < kEarlySeconds) {
        std::this_thread::sleep_for(kGpuPoll);
      } else {
        std::this_thread::sleep_for(kShortPoll);
      }
      vigil.look();
    }
    if (work->exception()) std::rethrow_exception(work->exception());
  } catch (const std::exception&) {
    gpus_->abort();  // else its kernels spin on, and the process cannot end
    throw;
  }
}

}  // namespace ingot::dist_detail
