// What a rank knows of itself: its node, and under which address others reach it.

#include <unistd.h>

#include "base/host.h"
#include "base/text.h"
#include "dist/rendezvous.h"

namespace ingot::dist_detail {

std::string Introduction::text(int rank) const { return cat("rank ", rank, " (process ", pid, " on ", host, ")"); }

Introduction introduce(const LaunchPlace& place, std::vector<std::pair<std::string, std::string>> must_agree) {
  Introduction out;
  out.host = host_name();
  out.node = cat(host_name(), " ", boot_id(), " ", namespace_id("net"));
  out.pid = ::getpid();
  out.world_size = place.world_size;
  out.must_agree = std::move(must_agree);
  return out;
}

std::string address_of(const std::vector<Introduction>& ranks, int rank) {
  const auto& first = ranks.front();
  const auto& self = ranks.at(static_cast<std::size_t>(rank));
  bool one_node = true;
  std::string seen_from_afar;  // rank 0's node, as another node reaches it
  for (const auto& other : ranks) {
    if (other.node == first.node) continue;
    one_node = false;
    if (seen_from_afar.empty()) seen_from_afar = other.store_address;
  }
  if (one_node) return "127.0.0.1";
  // On rank 0's own node its name may stand for a loopback address.
  if (self.node == first.node) return seen_from_afar;
  return self.own_address;
}

}  // namespace ingot::dist_detail
