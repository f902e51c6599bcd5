#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <iostream>
#include <system_error>

#include "base/printable.h"
#include "cli/command.h"
#include "cli/output.h"

namespace ingot {

bool stdout_is_terminal() { return ::isatty(STDOUT_FILENO) != 0; }

void print_result(const std::string& text) {
  const std::string shown = stdout_is_terminal() ? printable(text) : text;
  std::fwrite(shown.data(), 1, shown.size(), stdout);
  if (!shown.ends_with('\n')) std::fputc('\n', stdout);
  finish_stdout();
}

void finish_stdout() {
  errno = 0;
  const bool flushed = std::fflush(stdout) == 0 && std::cout.flush().good();
  if (flushed && std::ferror(stdout) == 0) return;
  const int reason = errno;
  throw Error(ExitCode::kOther, std::string("cannot write to stdout") +
                                    (reason == 0 ? "" : ": " + std::generic_category().message(reason)));
}

}  // namespace ingot
