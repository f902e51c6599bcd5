#pragma once
// Work queued on a device beside the current stream, for a thread of its own.

#include <c10/core/Device.h>
#include <c10/core/Stream.h>
#include <c10/core/StreamGuard.h>

#include <optional>

namespace ingot {

/// On the CPU, where nothing is queued, all of this does nothing.
class SideStream {
 public:
  explicit SideStream(c10::Device device);
  /// What is queued here from now on waits for all that the calling thread has queued in its current stream. From any
  /// thread.
  void follow_current() const;
  /// Returns when all that was queued here is done.
  void wait() const;

  /// Makes it the calling thread's current stream.
  class Guard {
   public:
    explicit Guard(const SideStream& side);

   private:
    std::optional<c10::StreamGuard> guard_;
  };

 private:
  std::optional<c10::Stream> stream_;
};

}  // namespace ingot
