#pragma once
// Runs of the program in a temporary folder.

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "support/process.h"
#include "support/temp_dir.h"

namespace ingot::testing {

class Program : public ::testing::Test {
 protected:
  TempDir folder;

  /// The command line of `ingot` with these arguments.
  static std::vector<std::string> command(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), INGOT_BINARY);
    return arguments;
  }
  ProcessResult ingot(const std::vector<std::string>& arguments) const {
    return run_process(command(arguments), folder.path());
  }
  static std::string source_path(const std::string& relative) { return std::string(INGOT_SOURCE_DIR) + "/" + relative; }
  static std::string tiny() { return source_path("configs/test/tiny.yaml"); }
};

}  // namespace ingot::testing
