#pragma once
// The program under test as a process.

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace ingot::testing {

struct ProcessResult {
  int exit_code = -1;  // 128 + signal if it was killed by one
  std::string out, err;
};

/// Started with `folder` as its working directory; output goes to files in a temporary folder of its own.
class Process {
 public:
  Process(const std::vector<std::string>& command, const std::filesystem::path& folder);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) const;
  /// Whether it ended within that time.
  bool ended_within(double seconds);
  /// Waits for the end.
  ProcessResult wait();

 private:
  std::filesystem::path output_;
  pid_t pid_ = -1;
  int status_ = 0;
  bool ended_ = false;
};

/// Runs a command to its end.
ProcessResult run_process(const std::vector<std::string>& command, const std::filesystem::path& folder);

}  // namespace ingot::testing
