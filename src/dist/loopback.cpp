#include "dist/loopback.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/text.h"

namespace ingot {

LoopbackListener listen_on_loopback() {
  LoopbackListener out;
  out.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (out.fd < 0 || ::bind(out.fd, generic, size) != 0 || ::listen(out.fd, SOMAXCONN) != 0 ||
      ::getsockname(out.fd, generic, &size) != 0) {
    throw Error(ExitCode::kOther, cat("no port on the loopback interface: ", std::strerror(errno)));
  }
  out.port = ntohs(address.sin_port);
  return out;
}

}  // namespace ingot
