#include "data/text/source_files.h"

#include <glob.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <compare>
#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/own_folder.h"
#include "base/text.h"

namespace ingot {
namespace {

/// A file or folder whatever its name. The size is in it for file systems that number files anew.
struct FileId {
  dev_t device = 0;
  ino_t number = 0;
  off_t size = 0;
  auto operator<=>(const FileId&) const = default;
};

FileId id_of(const struct stat& status) {
  return {status.st_dev, status.st_ino, S_ISREG(status.st_mode) ? status.st_size : 0};
}

bool is_before(const fs::path& a, const fs::path& b) { return a.native() < b.native(); }

std::string reason_text(int reason) { return std::generic_category().message(reason); }

struct FoundFile {
  SourceFile file;
  FileId id;
};

FoundFile look(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    throw DataError("cannot open '" + path.string() + "': " + reason_text(errno));
  }
  if (!S_ISREG(status.st_mode)) throw DataError("'" + path.string() + "' is not a regular file");
  return {{fs::absolute(path).lexically_normal(), status.st_size,
           std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec},
          id_of(status)};
}

/// All files below a folder, each once. What is there itself comes before what links lead to.
class FolderWalk {
 public:
  explicit FolderWalk(const fs::path& root) : root_(root) {
    enter(root);
    while (!links_.empty()) {
      std::vector<fs::path> links = std::exchange(links_, {});
      std::sort(links.begin(), links.end(), is_before);
      for (const fs::path& link : links) follow(link);
    }
    std::sort(files_.begin(), files_.end(), is_before);
    say("made by this program and left out", own_folders_);
    say("known by another name and left out", again_);
  }

  const std::vector<fs::path>& files() const { return files_; }

 private:
  void enter(const fs::path& folder) {
    struct stat status {};
    if (::stat(folder.c_str(), &status) != 0) fail(folder, errno);
    if (!folders_.insert(id_of(status)).second) return;
    if (const auto kind = folder_kind(folder)) {
      if (folder == root_)
        throw DataError("'" + folder.string() + "' is a " + folder_kind_name(*kind) + " and no text");
      return own_folders_.push_back(folder);
    }
    std::error_code failure;
    std::vector<fs::path> entries;
    fs::directory_iterator entry(folder, failure);
    for (; !failure && entry != fs::directory_iterator(); entry.increment(failure)) entries.push_back(entry->path());
    if (failure) fail(folder, failure.value());
    std::sort(entries.begin(), entries.end(), is_before);
    for (const fs::path& path : entries) {
      if (path.filename().string().starts_with('.') || ::lstat(path.c_str(), &status) != 0) continue;
      if (S_ISLNK(status.st_mode)) links_.push_back(path);
      if (S_ISDIR(status.st_mode)) enter(path);
      if (S_ISREG(status.st_mode)) add(path, status);
    }
  }

  void follow(const fs::path& link) {
    struct stat status {};
    if (::stat(link.c_str(), &status) != 0) {
      const std::string reason = reason_text(errno);
      return log::warning_once(link, "the link '" + link.string() + "' is left out: " + reason);
    }
    if (S_ISDIR(status.st_mode)) enter(link);
    if (S_ISREG(status.st_mode)) add(link, status);
  }

  void add(const fs::path& file, const struct stat& status) {
    (ids_.insert(id_of(status)).second ? files_ : again_).push_back(file);
  }

  void say(const char* what, const std::vector<fs::path>& paths) const {
    if (paths.empty()) return;
    const std::string others = paths.size() == 1 ? "" : cat(" and ", paths.size() - 1, " more");
    log::warning_once(cat(what, root_.string()), cat("'", paths.front().string(), "'", others, ": ", what));
  }

  [[noreturn]] void fail(const fs::path& folder, int reason) const {
    throw DataError("cannot read the folder '" + folder.string() + "': " + reason_text(reason));
  }

  fs::path root_;
  std::set<FileId> folders_, ids_;
  std::vector<fs::path> links_, files_, own_folders_, again_;
};

std::vector<fs::path> glob_matches(const std::string& pattern) {
  glob_t found{};
  const int status = ::glob(pattern.c_str(), GLOB_BRACE, nullptr, &found);
  std::vector<fs::path> matches;
  for (std::size_t i = 0; status == 0 && i < found.gl_pathc; ++i) matches.emplace_back(found.gl_pathv[i]);
  ::globfree(&found);
  std::sort(matches.begin(), matches.end(), is_before);
  return matches;
}

[[noreturn]] void fail_absent(const std::string& path) {
  if (fs::exists(path + ".bin") && fs::exists(path + ".idx")) {
    throw DataError("'" + path + "' is the name of token shards without its extension: expected '" + path + ".bin'");
  }
  const bool is_glob = path.find_first_of("*?[{") != path.npos;
  throw DataError(is_glob ? "no file matches '" + path + "'" : "there is no file or folder '" + path + "'");
}

/// Puts files together in the order in which they come, each once.
class FileList {
 public:
  /// False if there is nothing to read. `is_named`: by the user, and not found in a folder or by a glob.
  bool add(const fs::path& path, bool is_named) {
    if (!is_named && is_own_output(path)) return false;
    const auto [file, id] = look(path);
    if (file.bytes == 0) {
      if (is_named) throw DataError(file.path.string() + ": byte 0: an empty file, expected text");
      log::warning_once(file.path, file.path.string() + " is empty and left out");
      return false;
    }
    const auto [known, is_new] = names_.try_emplace(id, file.path);
    if (is_new) {
      files_.push_back(file);
    } else if (known->second == file.path) {
      throw DataError("'" + file.path.string() + "' is named twice in paths");
    } else {
      log::warning_once(file.path, cat("'", file.path.string(), "' is '", known->second.string(), "': it counts once"));
    }
    return true;
  }

  std::vector<SourceFile> take() { return std::move(files_); }

 private:
  std::map<FileId, fs::path> names_;
  std::vector<SourceFile> files_;
};

/// What lies in a folder of this program is no text, though a glob may match it; its token files are data.
class SideFiles {
 public:
  bool has(const fs::path& file) {
    const auto [known, is_new] = kinds_.try_emplace(file.parent_path());
    if (is_new) known->second = folder_kind(known->first.empty() ? "." : known->first);
    const bool is_tokens = file.extension() == ".bin" || file.extension() == ".idx";
    return known->second && !(known->second == FolderKind::kShards && is_tokens);
  }

 private:
  std::map<fs::path, std::optional<FolderKind>> kinds_;
};

}  // namespace

SourceFile look_at(const fs::path& path) { return look(path).file; }

std::vector<SourceFile> find_files(const std::vector<std::string>& paths) {
  FileList files;
  SideFiles side_files;
  for (const std::string& path : paths) {
    const bool exists = fs::exists(path);
    const std::vector<fs::path> matches = exists ? std::vector<fs::path>{path} : glob_matches(path);
    if (matches.empty()) fail_absent(path);
    bool any = false;
    for (const fs::path& match : matches) {
      if (!fs::is_directory(match)) {
        if (exists || !side_files.has(match)) any |= files.add(match, exists);
      } else if (exists || !folder_kind(match)) {
        const FolderWalk walk(match);
        for (const fs::path& file : walk.files()) any |= files.add(file, false);
      }
    }
    if (!any) throw DataError("'" + path + "' holds no text");
  }
  return files.take();
}

}  // namespace ingot
