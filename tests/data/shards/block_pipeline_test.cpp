#include "data/shards/block_pipeline.h"

#include <gtest/gtest.h>

#include <new>
#include <system_error>

#include "base/error.h"
#include "data/support.h"

namespace ingot {
namespace {

/// What the pipeline throws if the `n`-th encoder cannot be made, or if encoding or writing fails.
template <class Failure>
ExitCode code_of(const Failure& failure, int encoder, bool while_encoding) {
  const TemporaryFolder folder;
  CorpusConfig config;
  config.paths = {folder.write("a.txt", sample_text(300000)).string()};
  BlockReader reader(find_segments(config), config.documents);
  const auto bytes = make_tokenizer("bytes");
  int made = 0;
  try {
    run_block_pipeline(
        reader, 3,
        [&] {
          if (++made == encoder) throw failure;
          return bytes->encoder();
        },
        [&](const TextBlock&, TextEncoder&, EncodedBlock&) {
          if (while_encoding) throw failure;
        },
        [](EncodedBlock&) {});
  } catch (const std::exception& error) {
    return as_error(error).code();
  }
  return ExitCode::kDone;
}

TEST(BlockPipeline, ALackOfMemoryHasItsExitCodeWhereverItIsMet) {
  const std::system_error no_thread(std::make_error_code(std::errc::resource_unavailable_try_again));
  for (const int encoder : {1, 3}) {
    EXPECT_EQ(code_of(std::bad_alloc(), encoder, false), ExitCode::kOutOfMemory);
    EXPECT_EQ(code_of(no_thread, encoder, false), ExitCode::kOutOfMemory);
  }
  EXPECT_EQ(code_of(std::bad_alloc(), 0, true), ExitCode::kOutOfMemory);
  EXPECT_EQ(code_of(DataError("text"), 0, true), ExitCode::kData);
  EXPECT_EQ(code_of(DataError("text"), 0, false), ExitCode::kDone);
}

}  // namespace
}  // namespace ingot
