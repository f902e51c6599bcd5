#include "base/log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"

namespace ingot {
namespace {

class LogTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("ingot_log_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override {
    log::close_file();
    log::set_terminal_level(log::Level::kInfo);
    fs::remove_all(folder_);
  }
  fs::path folder_;
};

TEST_F(LogTest, LinesReachTheFileAtOnceAndAreAppended) {
  const std::string path = folder_ / "log.txt";
  log::set_terminal_level(log::Level::kError);
  log::open_file(path);
  log::info("braces {} are text");
  EXPECT_NE(read_file(path).find("braces {} are text\n"), std::string::npos);
  log::close_file();
  log::open_file(path);
  log::warning("second");
  const std::string text = read_file(path);
  EXPECT_NE(text.find("braces"), std::string::npos);
  EXPECT_NE(text.find("warning: second\n"), std::string::npos);
}

TEST_F(LogTest, TerminalGetsLinesAtItsLevelOnStderr) {
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  log::info("shown");
  log::debug("hidden");
  log::set_terminal_level(log::Level::kWarning);
  log::info("hidden too");
  log::error("bad");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find(" shown\n"), std::string::npos);
  EXPECT_NE(text.find(" error: bad\n"), std::string::npos);
  EXPECT_EQ(text.find("hidden"), std::string::npos);
}

TEST_F(LogTest, ControlCharactersOfOthersReachNeitherFileNorTerminal) {
  const std::string path = folder_ / "control.txt";
  log::open_file(path);
  testing::internal::CaptureStderr();
  log::info("sample: \x1b[31mred\r\a caf\xE9\nsecond\tline");
  const std::string shown = testing::internal::GetCapturedStderr(),
                    expected = "sample: \\x1B[31mred\\x0D\\x07 caf\\xE9\nsecond\tline\n";
  EXPECT_NE(shown.find(expected), std::string::npos) << shown;
  EXPECT_NE(read_file(path).find(expected), std::string::npos);
}

TEST_F(LogTest, WarningOnceIsSaidOncePerKey) {
  const std::string path = folder_ / "once.txt";
  log::set_terminal_level(log::Level::kError);
  log::open_file(path);
  log::warning_once("log_test.a", "first");
  log::warning_once("log_test.a", "again");
  log::warning_once("log_test.b", "other");
  const std::string text = read_file(path);
  EXPECT_NE(text.find("first"), std::string::npos);
  EXPECT_EQ(text.find("again"), std::string::npos);
  EXPECT_NE(text.find("other"), std::string::npos);
}

TEST_F(LogTest, UnwritableFileIsAnError) { EXPECT_THROW(log::open_file("/proc/nowhere/log.txt"), Error); }

}  // namespace
}  // namespace ingot
