#include "run/tensorboard.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "support/temp_dir.h"

namespace ingot {
namespace {

using testing::TempDir;

/// Payloads of a file's records, with lengths and checksums verified.
std::vector<std::string> records_of(const fs::path& file) {
  const auto number = [](const std::string& bytes, std::size_t at, std::size_t size) {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data() + at, size);
    return value;
  };
  const auto unmasked = [](std::uint64_t masked) {
    const auto rotated = static_cast<std::uint32_t>(masked) - 0xA282EAD8U;
    return (rotated >> 17) | (rotated << 15);
  };
  const std::string bytes = read_file(file);
  std::vector<std::string> payloads;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::uint64_t length = number(bytes, at, 8);
    EXPECT_EQ(unmasked(number(bytes, at + 8, 4)), crc32c(bytes.substr(at, 8)));
    payloads.push_back(bytes.substr(at + 12, length));
    EXPECT_EQ(unmasked(number(bytes, at + 12 + length, 4)), crc32c(payloads.back()));
    at += 16 + length;
  }
  return payloads;
}

/// An event without its wall time (tag, then eight bytes).
std::string without_time(const std::string& payload) {
  EXPECT_EQ(payload.at(0), '\x09');
  return payload.substr(9);
}

TEST(TensorBoard, Crc32cMatchesItsDefinition) {
  // RFC 3720, B.4.
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43U);
  std::string rising(32, '\0');
  for (int i = 0; i < 32; ++i) rising[static_cast<std::size_t>(i)] = static_cast<char>(i);
  EXPECT_EQ(crc32c(rising), 0x46DD794EU);
  std::reverse(rising.begin(), rising.end());
  EXPECT_EQ(crc32c(rising), 0x113FDB5CU);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
}

TEST(TensorBoard, WritesEventsByteForByte) {
  const TempDir dir;
  TensorBoardWriter writer(dir / "tensorboard", std::nullopt);
  writer.scalar("loss", 300, 0.5);
  const auto records = records_of(writer.path());
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(without_time(records[0]),
            "\x1a\x0d"
            "brain.Event:2");
  // step 300 = 0xAC 0x02; summary { value { tag "loss", simple_value 0.5 } }
  EXPECT_EQ(without_time(records[1]), std::string("\x10\xac\x02"
                                                  "\x2a\x0d"
                                                  "\x0a\x0b"
                                                  "\x0a\x04loss"
                                                  "\x15\x00\x00\x00\x3f",
                                                  18));
}

TEST(TensorBoard, AResumeForgetsLaterSteps) {
  const TempDir dir;
  const TensorBoardWriter writer(dir.path(), 99);
  const auto records = records_of(writer.path());
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(without_time(records[1]),
            "\x10\x64"
            "\x3a\x02"
            "\x08\x01");  // step 100; session log: start
}

TEST(TensorBoard, FilesSortInTheOrderOfStarts) {
  const TempDir dir;
  std::vector<std::string> names;
  for (int i = 0; i < 5; ++i) names.push_back(TensorBoardWriter(dir.path(), std::nullopt).path().filename());
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
  EXPECT_EQ(names[0].rfind("events.out.tfevents.", 0), 0U);
}

TEST(TensorBoard, TextIsAStringTensorOfTheTextPlugin) {
  const TempDir dir;
  TensorBoardWriter writer(dir.path(), std::nullopt);
  writer.text("sample", 1, "Once");
  const std::string record = without_time(records_of(writer.path()).at(1));
  EXPECT_NE(record.find(std::string("\x08\x07"
                                    "\x12\x04"
                                    "\x12\x02\x08\x01"
                                    "\x42\x04Once",
                                    14)),
            std::string::npos);
  EXPECT_NE(record.find("text"), std::string::npos);
}

}  // namespace
}  // namespace ingot
