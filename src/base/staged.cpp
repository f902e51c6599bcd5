#include "base/staged.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <optional>
#include <system_error>
#include <vector>

#include "base/host.h"
#include "base/text.h"

namespace ingot {
namespace {

constexpr std::string_view kMark = ".tmp-";
constexpr std::size_t kLongestName = 200;  // of the 255 bytes that file systems allow

[[noreturn]] void fail(const std::string& action, const fs::path& path, ExitCode code, int reason = errno) {
  throw Error(code, "cannot " + action + " '" + path.string() + "': " + std::generic_category().message(reason));
}

std::string prefix_for(const fs::path& target) {
  return cat(".", target.filename().string().substr(0, kLongestName), kMark);
}

fs::path name_beside(const fs::path& target) { return target.parent_path() / (prefix_for(target) + random_hex()); }

/// `.NAME.tmp-<hex digits>`, and as earlier versions wrote it, `NAME.tmp-<process>` and `NAME.tmp-<process>-<number>`:
/// NAME.
std::optional<std::string> final_name(const std::string& name) {
  const std::size_t mark = name.rfind(kMark);
  if (mark == std::string::npos || mark == 0) return std::nullopt;
  for (const char c : name.substr(mark + kMark.size())) {
    if (std::isxdigit(static_cast<unsigned char>(c)) == 0 && c != '-') return std::nullopt;
  }
  return name[0] == '.' ? name.substr(1, mark - 1) : name.substr(0, mark);
}

}  // namespace

fs::path shown_path(const fs::path& path) {
  const std::string name = path.filename().string();
  const auto shown = name.starts_with('.') ? final_name(name) : std::nullopt;
  return shown ? path.parent_path() / *shown : path;
}

Staged::Staged(fs::path target, ExitCode code) : target_(std::move(target)), path_(name_beside(target_)), code_(code) {
  std::error_code error;
  const auto status = fs::status(target_, error);
  if (!fs::exists(status)) return;
  // A link such as /dev/stdout, to whatever a descriptor stands for.
  const bool is_system_link = fs::read_symlink(target_, error).string().starts_with("/proc/");
  if (fs::is_regular_file(status) && !is_system_link) return;
  throw Error(code_, "cannot write '" + target_.string() + "': it is " +
                         (fs::is_directory(status) ? "a folder" : "no regular file") +
                         ", expected a file or a new name");
}

Staged::~Staged() {
  if (!committed_) ::unlink(path_.c_str());
}

void Staged::commit(Durable durable) {
  if (::rename(path_.c_str(), target_.c_str()) != 0) fail("write", target_, code_);
  committed_ = true;
  if (durable == Durable::kNo) return;
  const fs::path folder = target_.parent_path();
  sync_path(folder.empty() ? fs::path(".") : folder, code_);
}

StagedFolder::StagedFolder(fs::path target, ExitCode code)
    : target_(fs::absolute(target).lexically_normal()), code_(code) {
  if (target_.filename().empty()) target_ = target_.parent_path();  // "runs/a/"
  path_ = name_beside(target_);
  std::error_code failure;
  fs::create_directories(target_.parent_path(), failure);
  if (failure) fail("create", target_.parent_path(), code_, failure.value());
  remove_abandoned();
  if (!fs::create_directory(path_, failure)) fail("create", path_, code_, failure.value());
  lock_ = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock_ >= 0) ::flock(lock_, LOCK_EX | LOCK_NB);
}

StagedFolder::~StagedFolder() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove_all(path_, ignored);
  if (lock_ >= 0) ::close(lock_);
}

void StagedFolder::remove_abandoned() const {
  std::error_code failure;
  std::vector<fs::path> abandoned;
  for (const auto& entry : fs::directory_iterator(target_.parent_path(), failure)) {
    if (!entry.path().filename().string().starts_with(prefix_for(target_)) || !entry.is_directory()) continue;
    const int fd = ::open(entry.path().c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) continue;
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) abandoned.push_back(entry.path());
    ::close(fd);
  }
  for (const fs::path& path : abandoned) fs::remove_all(path, failure);
}

void StagedFolder::commit() {
  rename_durably(path_, target_, code_);
  path_.clear();
}

void remove_abandoned_files(const fs::path& folder, const std::function<bool(const std::string& name)>& is_ours) {
  std::error_code failure;
  std::vector<fs::path> abandoned;
  for (const auto& entry : fs::directory_iterator(folder, failure)) {
    const auto name = final_name(entry.path().filename().string());
    if (name && is_ours(*name) && entry.symlink_status().type() == fs::file_type::regular) {
      abandoned.push_back(entry.path());
    }
  }
  for (const fs::path& path : abandoned) ::unlink(path.c_str());
}

}  // namespace ingot
