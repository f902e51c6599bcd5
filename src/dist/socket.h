#pragma once
// TCP sockets: addresses, and waits that end. Private to src/dist.

#include <sys/socket.h>

#include <string>
#include <vector>

#include "base/clock.h"

namespace ingot::dist_detail {

/// A file descriptor that is closed with it; -1: none.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(other.release()) {}
  Socket& operator=(Socket&& other) noexcept;
  ~Socket();

  int fd() const { return fd_; }
  int release();

 private:
  int fd_ = -1;
};

struct Endpoint {
  sockaddr_storage address{};
  socklen_t size = sizeof(sockaddr_storage);

  const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&address); }
  sockaddr* raw() { return reinterpret_cast<sockaddr*>(&address); }
  /// "10.0.0.3"; "" if it is no Internet address.
  std::string host() const;
  int port() const;
  void set_port(int port);
  bool is_loopback() const;
  /// "10.0.0.3:4242", "[fe80::1]:4242".
  std::string text() const;
};

/// The addresses that a host's name or number stands for on this machine; empty, with `*problem` set, if there are
/// none.
std::vector<Endpoint> resolve(const std::string& host, int port, std::string* problem);
Endpoint local_end(const Socket& socket);
Endpoint remote_end(const Socket& socket);

/// Waits until the socket is ready for `events` (of poll), until `deadline` at most: what is ready already counts even
/// after it. False if it is not.
bool wait_ready(int fd, short events, Clock::time_point deadline);
/// A connection, or none, with `*problem` set.
Socket connect_to(const Endpoint& endpoint, Clock::time_point deadline, std::string* problem);
/// Listens at the endpoint, its port 0: a free one. Throws std::system_error.
Socket listen_at(const Endpoint& endpoint);
/// This machine's address on the way to the endpoint; nothing is sent. "" if it cannot be told.
std::string own_host_towards(const Endpoint& endpoint);

/// For a host and a port as a person writes them.
std::string place_text(const std::string& host, int port);

}  // namespace ingot::dist_detail
