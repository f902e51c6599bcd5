#include "base/error.h"

namespace ingot {

std::string Location::text() const {
  std::string out = file;
  if (line > 0) out += ":" + std::to_string(line);
  if (line > 0 && column > 0) out += ":" + std::to_string(column);
  return out;
}

Error::Error(ExitCode code, const Location& where, const std::string& message)
    : Error(code, where.file.empty() ? message : where.text() + ": " + message) {}

}  // namespace ingot
