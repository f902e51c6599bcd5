#include "base/process_setup.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>

namespace ingot {
namespace {

/// Reading from stdin, or writing to the others, fails as it does where they are closed.
void open_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) == -1) ::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

void raise_open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);  // one that the kernel refuses stays as it was
}

}  // namespace

void set_up_process() {
  open_standard_descriptors();
  std::signal(SIGXFSZ, SIG_IGN);
  raise_open_files();
}

}  // namespace ingot
