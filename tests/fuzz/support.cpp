#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "fuzz/fuzz.h"
#include "support/temp_dir.h"

namespace ingot::fuzz {
namespace {

/// Of libraries, which mean nothing to a user.
constexpr const char* kForeign[] = {"json.exception", "std::", "_M_", "::at", "basic_string", "yaml-cpp", "src/"};

}  // namespace

void fail(const std::string& what) {
  std::fprintf(stderr, "broken promise: %s\n", what.c_str());
  std::abort();
}

bool accepts(ExitCode code, const std::function<void()>& read) {
  try {
    read();
    return true;
  } catch (const Error& error) {
    const std::string text = error.what();
    if (error.code() != code) fail("exit code " + std::to_string(static_cast<int>(error.code())) + ": " + text);
    if (text.empty()) fail("an error without words");
    for (const char* word : kForeign) {
      if (text.find(word) != text.npos) fail("foreign words: " + text);
    }
    return false;
  } catch (const std::exception& error) {
    fail(std::string("not an Error: ") + error.what());
  }
}

const fs::path& folder() {
  static const testing::TempDir dir;
  return dir.path();
}

fs::path write(const std::string& name, std::string_view bytes) {
  const fs::path path = folder() / name;
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const bool written = file >= 0 && ::write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
  if (file >= 0) ::close(file);
  if (!written) throw std::runtime_error("cannot write " + path.string());
  return path;
}

}  // namespace ingot::fuzz
