#pragma once
// TensorBoard event files. Record: u64 length, u32 masked CRC-32C of it, payload, u32 masked CRC-32C of the payload;
// the payload is a protobuf Event.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "run/append.h"

namespace ingot {

/// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78).
std::uint32_t crc32c(std::string_view bytes);

class TensorBoardWriter {
 public:
  /// Starts a new file in `folder` (RUN/tensorboard) that sorts after those there. When resuming, TensorBoard is told
  /// to forget what it has past `resumed_step`.
  TensorBoardWriter(const fs::path& folder, std::optional<std::int64_t> resumed_step);

  void scalar(const std::string& tag, std::int64_t step, double value);
  void text(const std::string& tag, std::int64_t step, const std::string& text);
  void sync() { file_.sync(); }
  const fs::path& path() const { return file_.path(); }

 private:
  void write_event(std::string_view fields, std::optional<std::int64_t> step);
  AppendFile file_;
};

}  // namespace ingot
