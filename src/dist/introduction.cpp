// What a rank knows of itself: its node, and under which address others reach it.

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>

#include "base/host.h"
#include "base/text.h"
#include "dist/meeting.h"

namespace ingot::dist_detail {
namespace {

std::string numeric(const sockaddr* address, socklen_t size) {
  std::array<char, NI_MAXHOST> text{};
  if (::getnameinfo(address, size, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) != 0) return "";
  return text.data();
}

struct Addresses {
  std::string own, other;
};

/// The numeric address of host:port, and this machine's on the way there. Nothing is sent. Empty where it cannot be told.
Addresses route_to(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return {};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  for (const addrinfo* a = found; a != nullptr; a = a->ai_next) {
    const int fd = ::socket(a->ai_family, a->ai_socktype, a->ai_protocol);
    if (fd < 0) continue;
    Addresses out;
    sockaddr_storage own{};
    socklen_t size = sizeof own;
    if (::connect(fd, a->ai_addr, a->ai_addrlen) == 0 &&
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) == 0) {
      out = {numeric(reinterpret_cast<const sockaddr*>(&own), size), numeric(a->ai_addr, a->ai_addrlen)};
    }
    ::close(fd);
    if (!out.own.empty()) return out;
  }
  return {};
}

}  // namespace

Introduction introduce(const LaunchPlace& place, std::vector<std::pair<std::string, std::string>> must_agree) {
  Introduction out;
  out.host = host_name();
  out.node = cat(host_name(), " ", boot_id(), " ", namespace_id("net"));
  out.pid = ::getpid();
  out.world_size = place.world_size;
  out.must_agree = std::move(must_agree);
  const auto addresses = route_to(place.store_host, place.store_port);
  out.own_address = addresses.own;
  if (place.rank != 0) out.store_address = addresses.other;
  return out;
}

std::string address_of(const std::vector<Introduction>& ranks, int rank) {
  const auto& first = ranks.front();
  const auto& self = ranks.at(static_cast<std::size_t>(rank));
  bool one_node = true;
  std::string seen_from_afar;  // rank 0's node, as another node resolves it
  for (const auto& other : ranks) {
    if (other.node == first.node) continue;
    one_node = false;
    if (seen_from_afar.empty()) seen_from_afar = other.store_address;
  }
  if (one_node) return "127.0.0.1";
  // On rank 0's own node its name may stand for a loopback address.
  if (self.node == first.node && !seen_from_afar.empty()) return seen_from_afar;
  return self.own_address;
}

}  // namespace ingot::dist_detail
