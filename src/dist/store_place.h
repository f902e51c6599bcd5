#pragma once
// Where the ranks' rendezvous is: rank 0 opens it, the others find it. Private to src/dist.

#include <memory>

#include "dist/launch.h"
#include "dist/store_client.h"
#include "dist/store_server.h"

namespace ingot::dist_detail {

/// Of a request to stop that came while ranks looked for each other.
inline constexpr const char* kBeforeRendezvous =
    "before all ranks had met: nothing is lost, run the same command again to go on";

struct OpenPlace {
  std::unique_ptr<StoreServer> server;
  Endpoint at;  // for rank 0 itself
};

/// Opens the rendezvous at those of this machine's addresses that MASTER_ADDR stands for; at all of them where it
/// stands for none, or where ranks on other machines know it by another address. Throws DistributedError.
OpenPlace open_place(const LaunchPlace& place, double timeout);

/// Tries until it can be reached, for `timeout` seconds. Throws DistributedError that says what is at the address.
StoreConnection find_place(const LaunchPlace& place, double timeout);

}  // namespace ingot::dist_detail
