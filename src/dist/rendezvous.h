#pragma once
// How the ranks of a launch find each other: at a rendezvous that rank 0 opens, each introduces itself and learns
// whether all fit together. Private to src/dist.

#include <c10/util/intrusive_ptr.h>

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "dist/launch.h"
#include "dist/store_client.h"
#include "dist/store_server.h"

namespace ingot::dist_detail {

/// What a rank says of itself. Values of `must_agree` are compared with rank 0's, by name.
struct Introduction {
  std::string host;
  std::string node;           // tells nodes apart that share a host name, such as containers
  std::string store_address;  // numeric address of the rendezvous as this rank reaches it; "" on rank 0
  std::string own_address;    // from which this rank reaches it; "" on rank 0
  std::int64_t pid = 0;
  int world_size = 0;
  std::string problem;  // why this rank cannot take part; "" if it can
  std::vector<std::pair<std::string, std::string>> must_agree;

  /// "rank 2 (process 4711 on node-3)".
  std::string text(int rank) const;
};

struct Rendezvous {
  std::unique_ptr<StoreServer> server;         // on rank 0; it ends with this object
  c10::intrusive_ptr<StoreClient> connection;  // the main thread's
  std::vector<Introduction> ranks;

  /// A client of its own, for one thread, that sees the keys under `name`.
  c10::intrusive_ptr<StoreClient> client(const std::string& name) const { return connection->with_prefix(name + "/"); }
};

/// Waits up to `timeout` seconds for all ranks. Throws DistributedError naming who is absent, came twice, or differs in
/// what.
Rendezvous meet(const LaunchPlace& place, Introduction self, double timeout);

/// This process as `meet` wants it, for others to compare.
Introduction introduce(const LaunchPlace& place, std::vector<std::pair<std::string, std::string>> must_agree);

/// The address under which the other ranks can reach rank `rank`.
std::string address_of(const std::vector<Introduction>& ranks, int rank);

/// What another process put there. Throws DistributedError naming `what`.
JsonValue parse_message(const std::string& text, const std::string& what);

}  // namespace ingot::dist_detail
