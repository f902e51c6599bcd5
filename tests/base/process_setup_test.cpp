#include "base/process_setup.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "support/temp_dir.h"

namespace ingot {
namespace {

/// Whether `check` holds in a process of its own; it may change what it likes there.
template <class F>
bool in_child(F check) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(check() ? 0 : 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(ProcessSetup, AsManyFilesMayBeOpenAsTheSystemAllows) {
  EXPECT_TRUE(in_child([] {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 64;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    set_up_process();
    ::getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur == limit.rlim_max && limit.rlim_cur > 64;
  }));
}

TEST(ProcessSetup, AFileSizeLimitIsAnErrorOfTheWrite) {
  const testing::TempDir folder;
  EXPECT_TRUE(in_child([&] {
    std::signal(SIGXFSZ, SIG_DFL);
    const rlimit limit{1, 1};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    set_up_process();
    const int fd = ::open((folder / "file").c_str(), O_WRONLY | O_CREAT, 0600);
    return ::write(fd, "ab", 2) == 1 && ::write(fd, "b", 1) == -1 && errno == EFBIG;
  }));
}

TEST(ProcessSetup, NoFileGetsTheNumberOfAClosedStdout) {
  const testing::TempDir folder;
  EXPECT_TRUE(in_child([&] {
    for (int fd = 0; fd < 3; ++fd) ::close(fd);
    set_up_process();
    const int fd = ::open((folder / "file").c_str(), O_WRONLY | O_CREAT, 0600);
    char byte = 0;
    return fd > 2 && ::write(1, "x", 1) == -1 && ::write(2, "x", 1) == -1 && ::read(0, &byte, 1) == -1;
  }));
}

}  // namespace
}  // namespace ingot
