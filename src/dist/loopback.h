#pragma once

namespace ingot {

/// A socket that listens on a free port of the loopback interface, closed on exec. The caller closes it.
struct LoopbackListener {
  int fd = -1;
  int port = 0;
};

/// Throws Error if there is none.
LoopbackListener listen_on_loopback();

}  // namespace ingot
