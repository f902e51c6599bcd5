#pragma once
// Errors that reach a user. Each carries the process's exit code and, where there is one, the place
// of the mistake.

#include <exception>
#include <stdexcept>
#include <string>

namespace ingot {

/// Exit codes are a contract with scripts and job managers.
enum class ExitCode : int {
  kDone = 0,
  kOther = 1,
  kConfig = 2,       // config or usage, run directory in use
  kData = 3,         // data (also no space while tokenising)
  kCheckpoint = 4,   // checkpoint (also no space to save)
  kDiverged = 5,     // loss or gradients not finite, or rising without end
  kDistributed = 6,  // a peer or the network failed
  kOutOfMemory = 7,
  kStopped = 75,  // stopped on request after saving: run again to go on
  kInterrupted = 130,
};

/// A place in a file, written `file:line:column`. Line and column count from 1; 0 leaves them out.
struct Location {
  std::string file;
  int line = 0;
  int column = 0;

  std::string text() const;
};

/// Base of every error that is the user's (or the machine's) and not the program's: one clear line,
/// no stack trace.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  Error(ExitCode code, const Location& where, const std::string& message);
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

template <ExitCode kCode>
class CodedError : public Error {
 public:
  explicit CodedError(const std::string& message) : Error(kCode, message) {}
  CodedError(const Location& where, const std::string& message) : Error(kCode, where, message) {}
};

using ConfigError = CodedError<ExitCode::kConfig>;
using DataError = CodedError<ExitCode::kData>;
using CheckpointError = CodedError<ExitCode::kCheckpoint>;
using DivergedError = CodedError<ExitCode::kDiverged>;
using DistributedError = CodedError<ExitCode::kDistributed>;
using OutOfMemoryError = CodedError<ExitCode::kOutOfMemory>;

/// The error that a process should end with, whatever was thrown: an Error as it is, failed allocations (LibTorch's
/// included) as kOutOfMemory, anything else as kOther with the first line of its message.
Error as_error(const std::exception& error);

}  // namespace ingot
