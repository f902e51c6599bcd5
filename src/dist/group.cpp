#include "dist/group.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
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

constexpr double kPatience = 60;  // seconds of silence of a rank's pulse, or the timeout if that is less
constexpr double kEarlySeconds = 0.1;
constexpr auto kGpuPoll = std::chrono::microseconds(50);
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

c10::intrusive_ptr<c10d::Backend> make_gloo(const Meeting& meeting, const LaunchPlace& place, const std::string& name,
                                            double timeout) {
  auto options = c10d::ProcessGroupGloo::Options::create(milliseconds(timeout));
  const auto interface = process_environment()("GLOO_SOCKET_IFNAME");
  options->devices.push_back(
      interface ? c10d::ProcessGroupGloo::createDeviceForInterface(*interface)
                : c10d::ProcessGroupGloo::createDeviceForHostname(address_of(meeting.ranks, place.rank)));
  return c10::make_intrusive<c10d::ProcessGroupGloo>(meeting.client(name), place.rank, place.world_size, options);
}

}  // namespace

Group::Group(const LaunchPlace& where, const std::vector<std::pair<std::string, std::string>>& must_agree,
             const WorldOptions& options)
    : place(where), timeout(options.timeout), meeting(meet(where, introduce(where, must_agree), options.timeout)) {
  switch_off_flight_recorder();
  store = meeting.client("world");
  pulse = std::make_unique<Pulse>(meeting.client("world"), place.rank);
  attempt("connecting to the other ranks", [&] {
    control = make_gloo(meeting, place, "control", timeout);
    cpus_ = make_gloo(meeting, place, "data", timeout);
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
    auto gpu_store = meeting.client("gpu");
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

std::string Group::noticed(const std::string& error) const {
  return cat("; noticed by rank ", place.rank, ", ", error);
}

Error Group::lost_store(const std::string& error) {
  store_lost = true;
  return DistributedError(
      cat(name_of(0), " has gone or cannot be reached, and with it the ranks' meeting place", noticed(error)));
}

Error Group::explain(const std::string& error) {
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

std::optional<Error> Group::reported_failure() {
  if (!has_key(*store, "failure")) return std::nullopt;
  const auto value = nlohmann::json::parse(get_text(*store, "failure"));
  return Error(static_cast<ExitCode>(value.at("code").get<int>()), value.at("text").get<std::string>());
}

void Group::linger() {
  const auto start = Clock::now();
  while (store->add("left", 0) < place.world_size - 1 && seconds_since(start) < kLingerSeconds) {
    std::this_thread::sleep_for(kShortPoll);
  }
}

/// Looks after ranks that something is awaited from, once a second.
class Group::Vigil {
 public:
  Vigil(Group& group, std::vector<int> ranks)
      : group_(group), ranks_(std::move(ranks)), beats_(ranks_.size(), -1), heard_(ranks_.size(), Clock::now()) {}

  /// Throws what a rank reported as its failure, or which of the ranks has been silent for too long. `done`, by index: nothing
  /// more is awaited from it.
  void look(const std::function<bool(std::size_t)>& done) {
    if (seconds_since(looked_) < kPulseSeconds) return;
    looked_ = Clock::now();
    if (const auto reason = group_.reported_failure()) throw *reason;
    for (std::size_t i = 0; i < ranks_.size(); ++i) {
      if (done(i)) continue;
      const auto seen = last_seen(*group_.store, ranks_[i]);
      if (seen && seen->beat != beats_[i]) {
        beats_[i] = seen->beat;
        heard_[i] = looked_;
      } else if (seconds_since(heard_[i]) > std::min(group_.timeout, kPatience)) {
        throw DistributedError(cat(group_.name_of(ranks_[i]), " was last seen at ", seen ? seen->text() : "no time"));
      }
    }
  }

 private:
  Group& group_;
  std::vector<int> ranks_;
  std::vector<std::int64_t> beats_;
  std::vector<Clock::time_point> heard_;
  Clock::time_point looked_ = Clock::now();
};

void Group::wait_patiently(const std::vector<std::string>& keys, const std::vector<int>& owed_by,
                           const std::atomic<bool>* given_up) {
  attempt("waiting", [&] {
    const auto start = Clock::now();
    std::optional<Clock::time_point> gives_up;
    Vigil vigil(*this, owed_by);
    while (!store->check(keys)) {
      const bool early = seconds_since(start) < kEarlySeconds;
      std::this_thread::sleep_for(early ? kShortPoll : kLongPoll);
      if (given_up != nullptr && *given_up) {
        if (!gives_up) gives_up = Clock::now();
        if (seconds_since(*gives_up) > kLingerSeconds) throw DistributedError("given up: the run has ended");
      }
      vigil.look([&](std::size_t i) { return has_key(*store, keys[i]); });
    }
  });
}

void Group::complete(const c10::intrusive_ptr<c10d::Work>& work, at::Device device) {
  if (device.is_cpu()) {
    work->wait();
    return;
  }
  // NCCL waits for ever for a peer that has died.
  std::vector<int> others;
  for (int rank = 0; rank < place.world_size; ++rank) {
    if (rank != place.rank) others.push_back(rank);
  }
  const auto start = Clock::now();
  try {
    Vigil vigil(*this, others);
    while (!work->isCompleted()) {
      const double waited = seconds_since(start);
      if (waited > timeout) throw std::runtime_error(cat("not done after ", static_cast<std::int64_t>(waited), " s"));
      if (waited < kEarlySeconds) {
        std::this_thread::sleep_for(kGpuPoll);
      } else {
        std::this_thread::sleep_for(kShortPoll);
      }
      vigil.look([](std::size_t) { return false; });
    }
    if (work->exception()) std::rethrow_exception(work->exception());
  } catch (const std::exception&) {
    gpus_->abort();  // else its kernels spin on, and the process cannot end
    throw;
  }
}

}  // namespace ingot::dist_detail
