#pragma once
// Blocks through several workers, in order. Memory is bounded: at most a few blocks per worker are on their way.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/text/block_reader.h"
#include "data/tokenizer.h"

namespace ingot {

/// A block as tokens.
struct EncodedBlock {
  struct Document {
    std::size_t first = 0, end = 0;  // in `ids`, the end-of-document token included
    std::int64_t text_bytes = 0;
    bool begins = true;
    bool ends = true;
    bool held_out = false;  // meaningful if it begins here
    std::string error;      // not empty: the document cannot be used, and has no ids
  };
  std::vector<TokenId> ids;
  std::vector<Document> documents;
  ReadPosition after;           // where reading goes on after this block
  std::int64_t text_bytes = 0;  // unpacked bytes of the block
  std::int64_t bytes_read = 0;  // on disk, so far
};

/// Runs `read` on one thread and `encode` on `workers` threads, each with its own encoder, and calls `write` on the
/// calling thread for every block in order. The error of the earliest block is thrown, whichever thread met it first;
/// OutOfMemoryError if the threads or their encoders do not fit into memory.
void run_block_pipeline(BlockReader& reader, std::int64_t workers,
                        const std::function<std::unique_ptr<TextEncoder>()>& make_encoder,
                        const std::function<void(const TextBlock&, TextEncoder&, EncodedBlock&)>& encode,
                        const std::function<void(EncodedBlock&)>& write);

}  // namespace ingot
