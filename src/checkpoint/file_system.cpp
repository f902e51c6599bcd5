#include "checkpoint/file_system.h"

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "base/error.h"
#include "base/text.h"

namespace ingot {
namespace {

void write(const fs::path& path, const std::string& text) {
  FileWriter file(path, ExitCode::kCheckpoint);
  file.write(text);
  file.finish();
}

}  // namespace

void probe_file_system(const fs::path& folder, const Rename& rename) {
  const auto probe = folder / ".probe";
  const auto refuse = [&](const std::string& what) {
    std::error_code ignored;
    fs::remove_all(probe, ignored);
    throw CheckpointError(cat("the file system of '", folder.string(), "' cannot hold checkpoints: ", what,
                              ". Choose a run.dir on another one (NFS, Lustre, GPFS and local disks do)"));
  };
  const auto moved = [&](const fs::path& from, const fs::path& to, const char* what) {
    if (rename(from.c_str(), to.c_str()) != 0) {
      refuse(cat("renaming ", what, " fails (", std::generic_category().message(errno), ")"));
    }
  };
  try {
    fs::remove_all(probe);
    fs::create_directories(probe / "folder");
    write(probe / "folder/file", "new");
    write(probe / "file", "old");
    moved(probe / "folder", probe / "renamed", "a folder that holds a file");
    if (fs::exists(probe / "folder") || !fs::exists(probe / "renamed/file")) refuse("a renamed folder did not move");
    moved(probe / "renamed/file", probe / "file", "a file over another");
    if (read_file(probe / "file") != "new") refuse("a file renamed over another did not take its place");
    sync_path(probe, ExitCode::kCheckpoint);
    fs::remove_all(probe);
  } catch (const fs::filesystem_error& error) {
    refuse(error.what());
  }
}

void probe_file_system(const fs::path& folder) {
  probe_file_system(folder, [](const char* from, const char* to) { return std::rename(from, to); });
}

}  // namespace ingot
