#include "dist/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <memory>
#include <system_error>
#include <utility>

#include "base/text.h"

namespace ingot::dist_detail {
namespace {

void set_option(int fd, int level, int option) {
  const int on = 1;
  ::setsockopt(fd, level, option, &on, sizeof on);
}

}  // namespace

Socket& Socket::operator=(Socket&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Socket::~Socket() {
  if (fd_ >= 0) ::close(fd_);
}

int Socket::release() { return std::exchange(fd_, -1); }

std::string Endpoint::host() const {
  std::array<char, NI_MAXHOST> text{};
  if (::getnameinfo(raw(), size, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) != 0) return "";
  return text.data();
}

int Endpoint::port() const {
  if (address.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
  if (address.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  return 0;
}

void Endpoint::set_port(int port) {
  const auto number = htons(static_cast<std::uint16_t>(port));
  if (address.ss_family == AF_INET) reinterpret_cast<sockaddr_in&>(address).sin_port = number;
  if (address.ss_family == AF_INET6) reinterpret_cast<sockaddr_in6&>(address).sin6_port = number;
}

bool Endpoint::is_loopback() const {
  if (address.ss_family == AF_INET) {
    return ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
  }
  if (address.ss_family != AF_INET6) return false;
  const auto& number = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(&number) || (IN6_IS_ADDR_V4MAPPED(&number) && number.s6_addr[12] == IN_LOOPBACKNET);
}

std::string Endpoint::text() const { return place_text(host(), port()); }

std::string place_text(const std::string& host, int port) {
  const bool has_colons = host.find(':') != std::string::npos;
  return cat(has_colons ? "[" : "", host, has_colons ? "]" : "", ":", port);
}

std::vector<Endpoint> resolve(const std::string& host, int port, std::string* problem) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) {
    *problem = cat("'", host, "' stands for no address: ", ::gai_strerror(error));
    return {};
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  std::vector<Endpoint> out;
  for (const addrinfo* a = found; a != nullptr; a = a->ai_next) {
    Endpoint endpoint;
    if (a->ai_addrlen > sizeof endpoint.address) continue;
    std::memcpy(&endpoint.address, a->ai_addr, a->ai_addrlen);
    endpoint.size = a->ai_addrlen;
    out.push_back(endpoint);
  }
  return out;
}

Endpoint local_end(const Socket& socket) {
  Endpoint out;
  if (::getsockname(socket.fd(), out.raw(), &out.size) != 0) return {};
  return out;
}

Endpoint remote_end(const Socket& socket) {
  Endpoint out;
  if (::getpeername(socket.fd(), out.raw(), &out.size) != 0) return {};
  return out;
}

bool wait_ready(int fd, short events, Clock::time_point deadline) {
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd wanted{fd, events, 0};
    const int ready = ::poll(&wanted, 1, static_cast<int>(std::clamp<std::int64_t>(left + 1, 0, 60'000)));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
    if (ready == 0 && Clock::now() >= deadline) return false;
  }
}

Socket connect_to(const Endpoint& endpoint, Clock::time_point deadline, std::string* problem) {
  Socket out(::socket(endpoint.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  int error = 0;
  if (out.fd() < 0 || (::connect(out.fd(), endpoint.raw(), endpoint.size) != 0 && errno != EINPROGRESS)) {
    error = errno;
  } else if (!wait_ready(out.fd(), POLLOUT, deadline)) {
    error = ETIMEDOUT;
  } else {
    socklen_t size = sizeof error;
    ::getsockopt(out.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
  }
  if (error != 0) {
    *problem = cat(endpoint.text(), ": ", std::strerror(error));
    return {};
  }
  set_option(out.fd(), IPPROTO_TCP, TCP_NODELAY);
  set_option(out.fd(), SOL_SOCKET, SO_KEEPALIVE);
  return out;
}

Socket listen_at(const Endpoint& endpoint) {
  Socket out(::socket(endpoint.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  set_option(out.fd(), SOL_SOCKET, SO_REUSEADDR);
  // Beside a socket for the older Internet's addresses with the same port.
  if (endpoint.address.ss_family == AF_INET6) set_option(out.fd(), IPPROTO_IPV6, IPV6_V6ONLY);
  if (out.fd() < 0 || ::bind(out.fd(), endpoint.raw(), endpoint.size) != 0 || ::listen(out.fd(), SOMAXCONN) != 0) {
    throw std::system_error(errno, std::generic_category(), endpoint.text());
  }
  return out;
}

std::string own_host_towards(const Endpoint& endpoint) {
  const Socket socket(::socket(endpoint.address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (socket.fd() < 0 || ::connect(socket.fd(), endpoint.raw(), endpoint.size) != 0) return "";
  return local_end(socket).host();
}

}  // namespace ingot::dist_detail
