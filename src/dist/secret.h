#pragma once
// The secret by which the ranks of a job know each other, where the launcher gave none: in a file that only their user
// reads.

#include <string>

#include "base/files.h"

namespace ingot {

/// 64 hex digits of the system's generator.
std::string make_secret();

/// FOLDER/.meeting-secret. Rank 0 makes it with mode 600 and takes it away with this object, when all have met; the
/// others wait for it. One that a killed start left serves again. Throws DistributedError: it cannot be made, does not
/// come within `timeout` seconds, or might be another user's.
class SecretFile {
 public:
  SecretFile(const fs::path& folder, int rank, double timeout);
  ~SecretFile();
  SecretFile(const SecretFile&) = delete;
  SecretFile& operator=(const SecretFile&) = delete;

  const std::string& secret() const { return secret_; }
  /// What to say while ranks do not come: "; those that do not see …".
  std::string hint() const;

 private:
  void make();
  void await(double timeout);
  fs::path path_;
  std::string secret_;
  bool mine_ = false;
};

}  // namespace ingot
