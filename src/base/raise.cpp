#include "base/raise.h"

namespace ingot {

void raise_error(ExitCode code, const Location& where, const std::string& message) {
  switch (code) {
    case ExitCode::kConfig:
      throw ConfigError(where, message);
    case ExitCode::kData:
      throw DataError(where, message);
    case ExitCode::kCheckpoint:
      throw CheckpointError(where, message);
    case ExitCode::kDistributed:
      throw DistributedError(where, message);
    default:
      throw Error(code, where, message);
  }
}

void raise_error(ExitCode code, const std::string& message) { raise_error(code, Location{}, message); }

}  // namespace ingot
