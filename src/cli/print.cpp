#include <cstdio>

#include "cli/command.h"

namespace ingot {

void print_result(const std::string& text) {
  const bool ok = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
                  (text.ends_with('\n') || std::fputc('\n', stdout) != EOF) && std::fflush(stdout) == 0;
  if (!ok) throw Error(ExitCode::kOther, "cannot write to stdout");
}

}  // namespace ingot
