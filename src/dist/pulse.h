#pragma once
// Signs of life: each rank tells the store every second where it is, so that others can say who fell silent, and where.
// Private to src/dist.

#include <c10/util/intrusive_ptr.h>

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace c10d {
class Store;
}

namespace ingot::dist_detail {

inline constexpr double kPulseSeconds = 1;

struct LastSeen {
  std::int64_t beat = 0;
  std::int64_t step = 0;
  std::string phase;
  double time = 0;  // Unix seconds on that rank's clock

  /// "step 12, backward pass, 3.2 s ago".
  std::string text() const;
};

class Pulse {
 public:
  /// `store` is this object's alone.
  Pulse(c10::intrusive_ptr<c10d::Store> store, int rank);
  ~Pulse();
  Pulse(const Pulse&) = delete;
  Pulse& operator=(const Pulse&) = delete;

  /// Cheap; sent with the next beat.
  void set_phase(std::int64_t step, const char* phase);

 private:
  void beat_until_closed();
  c10::intrusive_ptr<c10d::Store> store_;
  int rank_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool closing_ = false;
  LastSeen now_;
  std::thread thread_;
};

/// What rank `rank` told last; none before its first beat. Throws if the store is gone.
std::optional<LastSeen> last_seen(c10d::Store& store, int rank);

}  // namespace ingot::dist_detail
