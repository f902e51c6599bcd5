#include "study/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/stop_signals.h"
#include "base/text.h"

namespace ingot {
namespace {

constexpr int kPollMilliseconds = 20;

[[noreturn]] void become_child(const std::vector<std::string>& arguments, const std::string& program,
                               const std::string& output, pid_t parent) {
  ::setpgid(0, 0);  // Ctrl-C reaches the parent alone, which passes it on
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(1);
  const int file = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (file < 0 || ::dup2(file, STDOUT_FILENO) < 0 || ::dup2(file, STDERR_FILENO) < 0) ::_exit(126);
  std::vector<char*> argv;
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  ::execv(program.c_str(), argv.data());
  ::_exit(127);
}

int requests() {
  int count = 0;
  for (std::size_t i = 0; i < StopSignals::kNumbers.size(); ++i) count += StopSignals::count(i);
  return count;
}

}  // namespace

ChildEnd run_child(const std::vector<std::string>& arguments, const fs::path& output) {
  const auto program = executable_path().string();
  const pid_t parent = ::getpid();
  StopSignals::block();  // a request must find the child's program or wait for it
  const pid_t child = ::fork();
  if (child == 0) become_child(arguments, program, output.string(), parent);
  StopSignals::unblock();
  if (child < 0) throw Error(ExitCode::kOther, cat("cannot start a trial: ", std::strerror(errno)));
  bool passed_on = false;
  int status = 0;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    if (!passed_on && requests() > 0) {
      ::kill(child, SIGTERM);
      passed_on = true;
    }
    ::usleep(kPollMilliseconds * 1000);
  }
  if (WIFSIGNALED(status)) return {0, WTERMSIG(status)};
  return {WEXITSTATUS(status), std::nullopt};
}

}  // namespace ingot
