#pragma once
// torchrun's agents keep a store of c10d's at MASTER_PORT, which knows no secrets. One thing is left there and read:
// where rank 0's own rendezvous is. Private to src/dist.

#include <optional>
#include <string>

#include "dist/launch.h"

namespace ingot::dist_detail {

/// Tells the other ranks the rendezvous, "host:port". Throws std::runtime_error naming the agent's address.
void publish_meeting_place(const LaunchPlace& agent, const std::string& address, double timeout);
/// What was published last, which may be of an earlier start; none so far. Throws as above.
std::optional<std::string> published_meeting_place(const LaunchPlace& agent, double timeout);

}  // namespace ingot::dist_detail
