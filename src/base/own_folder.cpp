#include "base/own_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <initializer_list>
#include <system_error>
#include <utility>

#include "base/text.h"

namespace ingot {
namespace {

constexpr const char* kMarker = ".ingot";
constexpr const char* kMarkerText =
    "\nA folder of the program ingot, which writes, replaces and removes files here and never reads them as text.\n";
constexpr std::array<std::pair<FolderKind, const char*>, 3> kMarks{
    {{FolderKind::kRun, "ingot run"}, {FolderKind::kCache, "ingot cache"}, {FolderKind::kShards, "ingot shards"}}};

/// The first bytes of a regular file; "" for anything else.
std::string head_of(const fs::path& file) {
  constexpr std::size_t kHead = std::size_t{1} << 20;
  const int fd = ::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return "";
  struct stat status {};
  std::string head;
  if (::fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
    head.resize(std::min(kHead, static_cast<std::size_t>(status.st_size)));
    const ssize_t got = ::read(fd, head.data(), head.size());
    head.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  }
  ::close(fd);
  return head;
}

bool says(const fs::path& file, std::initializer_list<const char*> words) {
  const std::string head = head_of(file);
  return std::all_of(words.begin(), words.end(), [&](const char* word) { return head.find(word) != head.npos; });
}

template <class Predicate>
bool any_entry(const fs::path& folder, Predicate predicate) {
  std::error_code failure;
  for (const auto& entry : fs::directory_iterator(folder, failure)) {
    if (predicate(entry.path(), entry.path().filename().string())) return true;
  }
  return false;
}

bool is_token_manifest(const fs::path& file) { return says(file, {"\"ingot token data\""}); }

bool holds_shards(const fs::path& folder) {
  return is_token_manifest(folder / "manifest.json") ||
         any_entry(folder, [](const fs::path& path, const std::string& name) {
           return (name.starts_with("part-") && is_token_manifest(path)) ||
                  (name.starts_with(".partial") && says(path / "journal", {"\"settings\""}));
         });
}

/// Lines of base/log.h in a file begin with a time such as "2026-01-31 12:00:00.000".
bool is_log(const fs::path& file) {
  std::error_code failure;
  if (!fs::is_regular_file(file, failure)) return false;
  const std::string head = head_of(file);
  return head.empty() || glob_match("[0-9]*-[0-9]*-[0-9]* [0-9]*:[0-9]*:[0-9]*.[0-9][0-9][0-9] *", first_line(head));
}

bool holds_files_of_ranks(const fs::path& folder) {
  std::error_code failure;
  return fs::is_directory(folder, failure) &&
         !any_entry(folder, [](const fs::path&, const std::string& name) { return !name.starts_with("rank-"); });
}

/// Any sign that a run leaves, from its lock to its checkpoints.
bool holds_run(const fs::path& folder) {
  if (says(folder / "run.lock", {"\"nonce\"", "\"pid_namespace\""})) return true;
  if (says(folder / "status.json", {"\"state\"", "\"exit_code\"", "\"retry\""})) return true;
  const auto is_attempt = [](const fs::path& path, const std::string&) {
    return says(path, {"\"attempt\"", "\"ingot\"", "\"command\""});
  };
  const auto is_checkpoint = [](const fs::path& path, const std::string& name) {
    return name.starts_with("step-") && says(path / "manifest.json", {"\"ingot checkpoint\""});
  };
  return any_entry(folder / "attempts", is_attempt) || any_entry(folder / "checkpoints", is_checkpoint);
}

/// Caches of earlier versions: a lock, and folders of data named after a hash.
bool holds_cache(const fs::path& folder) {
  constexpr std::size_t kHash = 17;  // "-" and sixteen digits
  std::error_code failure;
  return fs::is_regular_file(folder / ".lock", failure) &&
         any_entry(folder, [](const fs::path& path, const std::string& name) {
           return name.size() > kHash && name[name.size() - kHash] == '-' && holds_shards(path);
         });
}

/// Too little to know a run by, but nothing of others: logs of a start that failed at once, and what ranks leave on a
/// disk of their own.
bool holds_traces(const fs::path& folder) {
  return !any_entry(folder, [&](const fs::path& path, const std::string& name) {
    if (name.starts_with('.')) return false;
    if (name == "log.txt") return !is_log(path);
    if (name == "logs" || name == "samples") return !holds_files_of_ranks(path);
    const bool is_data = name == "data" || name == "tokenizer.model";
    return !is_data || folder_kind(folder / "data") != FolderKind::kCache;
  });
}

/// The first visible entry that is not this process's own output; "" if there is none.
fs::path thing_in_the_way(const fs::path& folder) {
  std::error_code failure;
  fs::path first;
  for (const auto& entry : fs::directory_iterator(folder, failure)) {
    const fs::path& path = entry.path();
    if (path.filename().string().starts_with('.') || is_own_output(path)) continue;
    if (first.empty() || path < first) first = path;
  }
  return first;
}

}  // namespace

const char* folder_kind_name(FolderKind kind) {
  switch (kind) {
    case FolderKind::kRun:
      return "run directory";
    case FolderKind::kCache:
      return "cache of prepared data";
    case FolderKind::kShards:
      break;
  }
  return "folder of token shards";
}

std::optional<FolderKind> folder_kind(const fs::path& folder) {
  const std::string marker = head_of(folder / kMarker);
  for (const auto& [kind, mark] : kMarks) {
    if (marker.starts_with(std::string(mark) + '\n')) return kind;
  }
  if (holds_shards(folder)) return FolderKind::kShards;
  if (holds_run(folder)) return FolderKind::kRun;
  if (holds_cache(folder)) return FolderKind::kCache;
  return std::nullopt;
}

bool is_own_output(const fs::path& path) {
  struct stat file {};
  if (::stat(path.c_str(), &file) != 0) return false;
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
    struct stat output {};
    if (::fstat(fd, &output) == 0 && output.st_dev == file.st_dev && output.st_ino == file.st_ino) return true;
  }
  return false;
}

std::string claim_problem(const fs::path& folder, FolderKind kind, const std::string& setting) {
  const fs::path other = thing_in_the_way(folder);
  // Asked after the folder was listed: whoever else claims it marks it before anything else appears.
  const auto found = folder_kind(folder);
  const std::string remedy = "; choose a folder that is new or empty";
  if (found && *found != kind) {
    return setting + ": '" + folder.string() + "' is a " + folder_kind_name(*found) + ", no " + folder_kind_name(kind) +
           remedy;
  }
  if (found || other.empty() || (kind == FolderKind::kRun && holds_traces(folder))) return "";
  return setting + ": '" + other.string() + "' is in the way: this program did not make it, and '" + folder.string() +
         "' is no " + folder_kind_name(kind) + remedy;
}

FolderClaim::FolderClaim(const fs::path& folder, FolderKind kind, const std::string& setting) : folder_(folder) {
  std::error_code failure;
  made_folder_ = fs::create_directories(folder_, failure);
  if (failure) throw ConfigError(setting + ": cannot create '" + folder_.string() + "': " + failure.message());
  if (const auto problem = claim_problem(folder_, kind, setting); !problem.empty()) throw ConfigError(problem);
  mark(kind, setting);
}

void FolderClaim::mark(FolderKind kind, const std::string& setting) {
  const fs::path marker = folder_ / kMarker;
  const int fd = ::open(marker.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (fd < 0 && errno == EEXIST) return;
  std::string text;
  for (const auto& [known, mark] : kMarks) {
    if (known == kind) text = std::string(mark) + kMarkerText;
  }
  const bool written = fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int reason = errno;
  if (fd >= 0) ::close(fd);
  made_marker_ = fd >= 0;
  if (written) return;
  if (made_marker_) ::unlink(marker.c_str());
  throw ConfigError(setting + ": cannot write '" + marker.string() + "': " + std::generic_category().message(reason));
}

FolderClaim::~FolderClaim() {
  if (!made_marker_) return;
  if (any_entry(folder_, [](const fs::path&, const std::string& name) { return name != kMarker; })) return;
  ::unlink((folder_ / kMarker).c_str());
  if (made_folder_) ::rmdir(folder_.c_str());
}

}  // namespace ingot
