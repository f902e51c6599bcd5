#pragma once
// Errors whose code is known at run time only.

#include <string>

#include "base/error.h"

namespace ingot {

/// Throws the type of error that goes with the code, for those who catch by type: DataError for kData and so on.
[[noreturn]] void raise_error(ExitCode code, const Location& where, const std::string& message);
[[noreturn]] void raise_error(ExitCode code, const std::string& message);

}  // namespace ingot
