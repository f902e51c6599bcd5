#include "data/source_files.h"

#include <glob.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <system_error>

#include "base/error.h"
#include "base/log.h"

namespace ingot {
namespace {

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code failure;
  fs::recursive_directory_iterator entry(folder, fs::directory_options::follow_directory_symlink, failure);
  for (; !failure && entry != fs::recursive_directory_iterator(); entry.increment(failure)) {
    if (is_hidden(entry->path())) {
      if (entry->is_directory()) entry.disable_recursion_pending();
    } else if (entry->is_regular_file()) {
      files.push_back(entry->path());
    }
  }
  if (failure) throw DataError("cannot read the folder '" + folder.string() + "': " + failure.message());
  std::sort(files.begin(), files.end(), [](const fs::path& a, const fs::path& b) { return a.native() < b.native(); });
  return files;
}

std::vector<fs::path> glob_matches(const std::string& pattern) {
  glob_t found{};
  const int status = ::glob(pattern.c_str(), GLOB_BRACE, nullptr, &found);
  std::vector<fs::path> matches;
  for (std::size_t i = 0; status == 0 && i < found.gl_pathc; ++i) matches.emplace_back(found.gl_pathv[i]);
  ::globfree(&found);
  std::sort(matches.begin(), matches.end(),
            [](const fs::path& a, const fs::path& b) { return a.native() < b.native(); });
  return matches;
}

[[noreturn]] void fail_absent(const std::string& path) {
  if (fs::exists(path + ".bin") && fs::exists(path + ".idx")) {
    throw DataError("'" + path + "' is the name of token shards without its extension: expected '" + path + ".bin'");
  }
  const bool is_glob = path.find_first_of("*?[{") != path.npos;
  throw DataError(is_glob ? "no file matches '" + path + "'" : "there is no file or folder '" + path + "'");
}

}  // namespace

SourceFile look_at(const fs::path& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) {
    throw DataError("cannot open '" + path.string() + "': " + std::generic_category().message(errno));
  }
  if (!S_ISREG(status.st_mode)) throw DataError("'" + path.string() + "' is not a regular file");
  return {fs::absolute(path).lexically_normal(), status.st_size,
          std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
}

std::vector<SourceFile> find_files(const std::vector<std::string>& paths) {
  std::vector<SourceFile> files;
  std::set<fs::path> seen;
  const auto add = [&](const fs::path& path, bool is_named) {
    const SourceFile file = look_at(path);
    if (file.bytes == 0) {
      if (is_named) throw DataError(file.path.string() + ": byte 0: an empty file, expected text");
      return log::warning(file.path.string() + " is empty and left out");
    }
    if (!seen.insert(file.path).second) throw DataError("'" + file.path.string() + "' is named twice in paths");
    files.push_back(file);
  };
  for (const std::string& path : paths) {
    const bool exists = fs::exists(path);
    const std::vector<fs::path> matches = exists ? std::vector<fs::path>{path} : glob_matches(path);
    if (matches.empty()) fail_absent(path);
    const std::size_t before = files.size();
    for (const fs::path& match : matches) {
      if (!fs::is_directory(match)) {
        add(match, exists);
      } else {
        for (const fs::path& file : files_in(match)) add(file, false);
      }
    }
    if (files.size() == before) throw DataError("the folder '" + path + "' holds no text");
  }
  return files;
}

}  // namespace ingot
