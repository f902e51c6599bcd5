#include "run/tensorboard.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

#include "base/clock.h"
#include "base/host.h"
#include "base/text.h"
#include "run/status.h"

namespace ingot {
namespace {

// Fields of the protobuf messages Event, SessionLog, Summary.Value and TensorProto that are written here.
namespace event {
constexpr int kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7;
}
namespace session_log {
constexpr int kStatus = 1;
constexpr std::uint64_t kStart = 1;
}  // namespace session_log
namespace summary {
constexpr int kValue = 1;
}
namespace value {
constexpr int kTag = 1, kSimpleValue = 2, kTensor = 8, kMetadata = 9;
}
namespace tensor {
constexpr int kDtype = 1, kShape = 2, kStringValue = 8;
constexpr std::uint64_t kString = 7;
}  // namespace tensor

/// Protobuf's wire format: each field is a varint of number and type, then the content.
class Message {
 public:
  Message& varint(int field, std::uint64_t content) { return key(field, 0), append_varint(content), *this; }
  Message& fixed(int field, double content) { return key(field, 1), append_raw(&content, sizeof content), *this; }
  Message& fixed(int field, float content) { return key(field, 5), append_raw(&content, sizeof content), *this; }
  Message& bytes(int field, std::string_view content) {
    key(field, 2);
    append_varint(content.size());
    bytes_ += content;
    return *this;
  }
  const std::string& text() const { return bytes_; }

 private:
  void key(int field, unsigned type) { append_varint(static_cast<std::uint64_t>(field) << 3 | type); }
  void append_varint(std::uint64_t content) {
    for (; content >= 128; content >>= 7) bytes_ += static_cast<char>(content | 128);
    bytes_ += static_cast<char>(content);
  }
  void append_raw(const void* data, std::size_t size) { bytes_.append(static_cast<const char*>(data), size); }
  std::string bytes_;
};

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78U : 0U);
    table[i] = crc;
  }
  return table;
}

/// The format stores checksums rotated and shifted, since checksums of data that hold checksums are weak.
std::uint32_t masked_crc(std::string_view bytes) {
  const std::uint32_t crc = crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8U;
}

template <class T>
void append_number(std::string& out, T number) {
  char bytes[sizeof number];
  std::memcpy(bytes, &number, sizeof number);
  out.append(bytes, sizeof number);
}

std::string framed(std::string_view payload) {
  std::string record;
  append_number(record, static_cast<std::uint64_t>(payload.size()));
  append_number(record, masked_crc(record));
  record += payload;
  append_number(record, masked_crc(payload));
  return record;
}

/// TensorBoard reads files in the order of their names, which begin with a ten-digit time: two starts within a second,
/// or a clock set back, must not swap them.
fs::path next_file(const fs::path& folder) {
  constexpr std::string_view kPrefix = "events.out.tfevents.";
  fs::create_directories(folder);
  auto time = static_cast<std::int64_t>(unix_seconds());
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind(kPrefix, 0) != 0) continue;
    time = std::max(time, std::int64_t{std::atoll(name.c_str() + kPrefix.size())} + 1);
  }
  std::string digits = std::to_string(time);
  if (digits.size() < 10) digits.insert(0, 10 - digits.size(), '0');
  return folder / cat(kPrefix, digits, ".", host_name(), ".", ::getpid(), ".0");
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  static constexpr auto kTable = make_crc_table();
  std::uint32_t crc = 0xFFFFFFFFU;
  for (const char byte : bytes) crc = kTable[(crc ^ static_cast<unsigned char>(byte)) & 255] ^ (crc >> 8);
  return ~crc;
}

TensorBoardWriter::TensorBoardWriter(const fs::path& folder, std::optional<std::int64_t> resumed_step)
    : file_(next_file(folder)) {
  write_event(Message().bytes(event::kFileVersion, "brain.Event:2").text(), std::nullopt);
  if (!resumed_step) return;
  const Message start = Message().varint(session_log::kStatus, session_log::kStart);
  write_event(Message().bytes(event::kSessionLog, start.text()).text(), *resumed_step + 1);
}

void TensorBoardWriter::write_event(std::string_view fields, std::optional<std::int64_t> step) {
  Message message;
  message.fixed(event::kWallTime, unix_seconds());
  if (step) message.varint(event::kStep, static_cast<std::uint64_t>(*step));
  file_.append(framed(message.text() + std::string(fields)));
}

void TensorBoardWriter::scalar(const std::string& tag, std::int64_t step, double number) {
  Message content;
  content.bytes(value::kTag, tag).fixed(value::kSimpleValue, static_cast<float>(number));
  const Message one = Message().bytes(summary::kValue, content.text());
  write_event(Message().bytes(event::kSummary, one.text()).text(), step);
}

void TensorBoardWriter::text(const std::string& tag, std::int64_t step, const std::string& content) {
  // A one-element string tensor, marked for the text plugin.
  const Message dimension = Message().varint(1, 1);
  const Message shape = Message().bytes(2, dimension.text());
  Message strings;
  strings.varint(tensor::kDtype, tensor::kString).bytes(tensor::kShape, shape.text());
  strings.bytes(tensor::kStringValue, content);
  const Message plugin = Message().bytes(1, Message().bytes(1, "text").text());
  Message one;
  one.bytes(value::kTag, tag).bytes(value::kTensor, strings.text()).bytes(value::kMetadata, plugin.text());
  write_event(Message().bytes(event::kSummary, Message().bytes(summary::kValue, one.text()).text()).text(), step);
}

}  // namespace ingot
