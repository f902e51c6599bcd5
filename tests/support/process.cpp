#include "support/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace ingot::testing {
namespace {

std::string content(const std::filesystem::path& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}

/// Between fork and exec: only calls that are safe there.
void redirect(int target, const char* path) {
  const int fd = ::open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd < 0 || ::dup2(fd, target) < 0) ::_exit(126);
  ::close(fd);
}

}  // namespace

Process::Process(const std::vector<std::string>& command, const std::filesystem::path& folder) {
  std::string name = (std::filesystem::temp_directory_path() / "ingot-process-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
  output_ = name;
  const auto out = (output_ / "out").string();
  const auto err = (output_ / "err").string();
  std::vector<char*> arguments;
  for (const auto& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const auto working = folder.string();
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("cannot fork");
  if (pid_ > 0) return;
  if (::chdir(working.c_str()) != 0) ::_exit(126);
  redirect(STDIN_FILENO + 1, out.c_str());
  redirect(STDERR_FILENO, err.c_str());
  ::close(STDIN_FILENO);
  ::execv(arguments[0], arguments.data());
  ::_exit(127);
}

Process::~Process() {
  if (!ended_) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, &status_, 0);
  }
  std::error_code ignored;
  std::filesystem::remove_all(output_, ignored);
}

void Process::signal(int number) const {
  if (!ended_) ::kill(pid_, number);
}

bool Process::ended_within(double seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!ended_ && std::chrono::steady_clock::now() < end) {
    ended_ = ::waitpid(pid_, &status_, WNOHANG) == pid_;
    if (!ended_) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return ended_;
}

ProcessResult Process::wait() {
  if (!ended_) ::waitpid(pid_, &status_, 0);
  ended_ = true;
  ProcessResult result;
  result.exit_code = WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
  result.out = content(output_ / "out");
  result.err = content(output_ / "err");
  return result;
}

ProcessResult run_process(const std::vector<std::string>& command, const std::filesystem::path& folder) {
  return Process(command, folder).wait();
}

}  // namespace ingot::testing
