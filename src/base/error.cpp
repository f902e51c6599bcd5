#include "base/error.h"

#include <new>
#include <system_error>

#include "base/text.h"

namespace ingot {

std::string Location::text() const {
  std::string out = file;
  for (const int number : {line, column}) {
    if (number <= 0) break;
    out += ':';
    out += std::to_string(number);
  }
  return out;
}

Error::Error(ExitCode code, const Location& where, const std::string& message)
    : Error(code, where.file.empty() ? message : where.text() + ": " + message) {}

Error as_error(const std::exception& error) {
  if (const auto* known = dynamic_cast<const Error*>(&error)) return *known;
  const std::string what = error.what();
  const bool memory = dynamic_cast<const std::bad_alloc*>(&error) != nullptr ||
                      what.find("can't allocate memory") != std::string::npos ||
                      what.find("CUDA out of memory") != std::string::npos;
  const auto* system = dynamic_cast<const std::system_error*>(&error);
  if (system != nullptr && system->code() == std::errc::resource_unavailable_try_again) {
    // What std::thread throws.
    return Error(ExitCode::kOutOfMemory,
                 "cannot start a thread: out of memory, or too many threads (`ulimit -v`, `ulimit -u`)");
  }
  if (memory) {
    return Error(ExitCode::kOutOfMemory,
                 "out of memory; lower train.micro_batch or data.seq_len (`ingot plan` shows what a run needs)");
  }
  return Error(ExitCode::kOther, first_line(what));
}

}  // namespace ingot
