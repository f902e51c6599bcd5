#pragma once
// Fuzz targets: readers of files that others may have written, fed with damaged input. Each `<module>/<name>_fuzz.cpp`
// makes the program `fuzz_<module>_<name>` and provides the three functions below. Linked with driver.cpp it damages
// its own seeds, the same ways for the same `--seed` on every machine; configured with INGOT_LIBFUZZER (clang),
// libFuzzer drives it.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/files.h"

/// Reads one input. Returns 0. What it must not do: crash, hang, read or write out of bounds, throw anything but Error.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace ingot::fuzz {

/// Inputs that the reader accepts.
std::vector<std::string> seeds();
/// What the format is made of, to put anywhere.
std::vector<std::string> words();

/// Calls `read` and returns whether it accepted its input. It may refuse with an Error of this code in the program's
/// own words; anything else ends the process with what it said.
bool accepts(ExitCode code, const std::function<void()>& read);

/// Ends the process: a promise of the reader is broken.
[[noreturn]] void fail(const std::string& what);
inline void require(bool holds, const char* what) {
  if (!holds) fail(what);
}

/// A folder for inputs that are read from files, emptied at the end.
const fs::path& folder();
/// Replaces a file there and returns its path.
fs::path write(const std::string& name, std::string_view bytes);

inline std::string text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace ingot::fuzz
