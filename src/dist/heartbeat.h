#pragma once
// Signs of life: each rank tells the rendezvous every second where it is, so that others can say who fell silent, and
// where; and hears what cannot be heard once the rendezvous is gone: where rank 0 was. Private to src/dist.

#include <c10/util/intrusive_ptr.h>

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "dist/store_client.h"

namespace ingot::dist_detail {

inline constexpr double kHeartbeatSeconds = 1;

struct LastSeen {
  std::int64_t beat = 0;
  std::int64_t step = 0;
  std::string phase;
  double time = 0;  // Unix seconds on that rank's clock

  /// "step 12, backward pass, 3.2 s ago".
  std::string text() const;
};

class Heartbeat {
 public:
  /// `store` is this object's alone.
  Heartbeat(c10::intrusive_ptr<StoreClient> store, int rank);
  ~Heartbeat();
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;

  /// Cheap; sent with the next beat.
  void set_phase(std::int64_t step, const char* phase);
  /// Where rank 0 was when it was last heard of.
  std::optional<LastSeen> first_rank() const;
  /// Seconds since the rendezvous last answered.
  double silence() const;
  /// Who was asked to stop first, "SIGTERM to rank 3": a signal may come to one rank while all wait for another. "" so
  /// far.
  std::string stop_request() const;

 private:
  void beat_until_closed();
  void beat(const LastSeen& now);
  c10::intrusive_ptr<StoreClient> store_;
  int rank_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool closing_ = false;
  LastSeen now_;
  std::optional<LastSeen> first_rank_;
  Clock::time_point answered_ = Clock::now();
  std::string stop_request_;
  std::thread thread_;
};

/// What each rank told last; none before its first beat. Throws StoreLost.
std::vector<std::optional<LastSeen>> last_seen(StoreClient& store, int world_size);

}  // namespace ingot::dist_detail
