#pragma once
// How the ranks of a launch find each other: a TCP store, at which each introduces itself and learns whether all fit
// together. Private to src/dist.

#include <c10/util/intrusive_ptr.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "dist/launch.h"

namespace c10d {
class Store;
class TCPStore;
}  // namespace c10d

namespace ingot::dist_detail {

/// What a rank says of itself. Values of `must_agree` are compared with rank 0's, by name.
struct Introduction {
  std::string host;
  std::string node;           // tells nodes apart that share a host name, such as containers
  std::string store_address;  // numeric address of the store as this rank resolves it; "" on rank 0
  std::string own_address;    // from which this rank reaches it
  std::int64_t pid = 0;
  int world_size = 0;
  std::string problem;  // why this rank cannot take part; "" if it can
  std::vector<std::pair<std::string, std::string>> must_agree;

  /// "rank 2 (process 4711 on node-3)".
  std::string text(int rank) const;
};

struct Meeting {
  c10::intrusive_ptr<c10d::TCPStore> connection;  // kept by rank 0 to the end: it may host the store
  std::string prefix;                             // of all keys of this start
  std::vector<Introduction> ranks;
  int port = 0;         // of the store
  double patience = 0;  // seconds that an answer of the store may take

  /// A client of its own, for one thread, that sees this start's keys under `name`. An answer that does not come within
  /// `patience` is an exception, after which the client is of no use: a late answer would be taken for that of another
  /// question.
  c10::intrusive_ptr<c10d::Store> client(const std::string& name) const;
};

/// Waits up to `timeout` seconds for all ranks. Throws DistributedError naming who is absent, came twice, or differs in
/// what.
Meeting meet(const LaunchPlace& place, const Introduction& self, double timeout);

/// This process as `meet` wants it, for others to compare.
Introduction introduce(const LaunchPlace& place, std::vector<std::pair<std::string, std::string>> must_agree);

/// The address under which the other ranks can reach rank `rank`.
std::string address_of(const std::vector<Introduction>& ranks, int rank);

/// The store's text values.
void set_text(c10d::Store& store, const std::string& key, const std::string& value);
std::string get_text(c10d::Store& store, const std::string& key);
bool has_key(c10d::Store& store, const std::string& key);

}  // namespace ingot::dist_detail
