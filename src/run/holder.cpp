#include "run/holder.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/host.h"
#include "base/json.h"
#include "base/text.h"
#include "run/job.h"

namespace ingot {
namespace {

struct ProcessState {
  char state = '?';
  std::int64_t start_ticks = 0;
};

/// From /proc/<pid>/stat: the third field and the twenty-second. The second, the name in parentheses, may hold
/// anything.
std::optional<ProcessState> process_state(std::int64_t pid) {
  std::string text;
  try {
    text = read_file(cat("/proc/", pid, "/stat"));
  } catch (const Error&) {
    return std::nullopt;
  }
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(name_end + 1));
  ProcessState process;
  fields >> process.state;
  std::string skipped;
  for (int field = 4; field < 22; ++field) fields >> skipped;
  fields >> process.start_ticks;
  if (!fields) return std::nullopt;
  return process;
}

}  // namespace

LockHolder this_process() {
  LockHolder self;
  self.host = host_name();
  self.boot = boot_id();
  self.pid_namespace = namespace_id("pid");
  self.pid = ::getpid();
  if (const auto state = process_state(self.pid)) self.start_ticks = state->start_ticks;
  self.job = job_id();
  self.nonce = random_hex();
  self.since = utc_now();
  return self;
}

std::string LockHolder::text() const {
  return cat("process ", pid, " on ", host, job.empty() ? "" : cat(" (job ", job, ")"), " since ", since);
}

namespace lock_detail {

std::string to_text(const LockHolder& h) {
  const nlohmann::ordered_json document = {{"host", h.host},
                                           {"pid", h.pid},
                                           {"job", h.job},
                                           {"since", h.since},
                                           {"boot", h.boot},
                                           {"pid_namespace", h.pid_namespace},
                                           {"start_ticks", h.start_ticks},
                                           {"nonce", h.nonce}};
  return document.dump(2) + "\n";
}

std::optional<LockHolder> from_text(const std::string& text) {
  try {
    const auto document = JsonValue::parse(text, {});
    LockHolder h;
    h.host = document.at("host").text();
    h.pid = document.at("pid").whole(1, INT32_MAX);  // a negative one would be a group of processes
    h.job = document.at("job").text();
    h.since = document.at("since").text();
    h.boot = document.at("boot").text();
    h.pid_namespace = document.at("pid_namespace").text();
    h.start_ticks = document.at("start_ticks").whole();
    h.nonce = document.at("nonce").text();
    return h;
  } catch (const Error&) {
    return std::nullopt;
  }
}

bool is_visible(const LockHolder& holder, const LockHolder& self) {
  return !self.boot.empty() && holder.host == self.host && holder.boot == self.boot &&
         holder.pid_namespace == self.pid_namespace;
}

bool has_ended(const LockHolder& holder) {
  if (::kill(static_cast<pid_t>(holder.pid), 0) != 0 && errno == ESRCH) return true;
  const auto state = process_state(holder.pid);
  if (!state) return false;  // another user's, hidden
  return state->start_ticks != holder.start_ticks || state->state == 'Z' || state->state == 'X';
}

double age_of(const fs::path& file) {
  struct stat touched {};
  if (::stat(file.c_str(), &touched) != 0) return 0;
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  // A file made just now has the file server's time, whatever this host's clock says.
  const fs::path probe = file.string() + ".probe-" + random_hex();
  const int fd = ::open(probe.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd >= 0) {
    struct stat made {};
    if (::write(fd, "x", 1) == 1 && ::fsync(fd) == 0 && ::fstat(fd, &made) == 0) now = made.st_mtim;
    ::close(fd);
    ::unlink(probe.c_str());
  }
  const double age = static_cast<double>(now.tv_sec - touched.st_mtim.tv_sec) +
                     1e-9 * static_cast<double>(now.tv_nsec - touched.st_mtim.tv_nsec);
  return std::max(age, 0.0);
}

}  // namespace lock_detail
}  // namespace ingot
