#include "data/data_config.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "data/support.h"

namespace ingot {
namespace {

TEST(DataConfig, BadRecordsStopUnlessTheConfigSaysSo) {
  const std::string rest = ", tokenizer: bytes, seq_len: 8";
  EXPECT_EQ(data_config("{train: {paths: x}" + rest + "}").on_bad_record, OnBadRecord::kStop);
  EXPECT_EQ(data_config("{train: {paths: x}, on_bad_record: skip" + rest + "}").on_bad_record, OnBadRecord::kSkip);
  EXPECT_THROW(data_config("{train: {paths: x}, on_bad_record: ignore" + rest + "}"), ConfigError);
}

TEST(DataConfig, ThreadsHaveALimit) {
  const auto message = message_of<ConfigError>(
      [] { data_config("{train: {paths: x}, tokenizer: bytes, seq_len: 8, workers: 100000}"); });
  EXPECT_NE(message.find("data.workers: out of range: '100000', expected 1..1024"), message.npos) << message;
}

}  // namespace
}  // namespace ingot
