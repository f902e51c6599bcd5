#include "device/memory_room.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "support/temp_dir.h"

namespace ingot {
namespace {

using testing::has;
using testing::message_of;

TEST(MemoryRoom, WhatDoesNotFitIsRefusedWithTheLimit) {
  EXPECT_GT(memory_room().bytes, 0);
  EXPECT_NO_THROW(require_memory(1, "a byte"));
  const auto text = message_of<OutOfMemoryError>([] { require_memory(std::int64_t{1} << 60, "the model"); });
  EXPECT_TRUE(has(text, "the model needs 1024.0 PiB more, but ", memory_room().limit, " leaves "));
}

}  // namespace
}  // namespace ingot
