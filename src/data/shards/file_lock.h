#pragma once
// Keeps two processes on one machine from writing into one folder.

#include <functional>
#include <string>

#include "base/files.h"

namespace ingot {

/// An advisory lock on `folder`/.lock, which vanishes with the process. The file goes when it is released.
class FolderLock {
 public:
  enum class IfTaken { kWait, kFail };
  /// Creates the folder. Throws DataError if it cannot, or, with kFail, if another process holds the lock. While it
  /// waits it calls `while_waiting` a few times a second, which may throw.
  FolderLock(const fs::path& folder, IfTaken if_taken, const std::string& name = ".lock",
             const std::function<void()>& while_waiting = {});
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock();

 private:
  void open();
  bool is_current() const;
  fs::path path_;
  int descriptor_ = -1;
};

}  // namespace ingot
