#pragma once
// Shards one after the other, as one stream of tokens that is cut into windows.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/batch.h"
#include "data/token_shard.h"

namespace ingot {

class TokenStream {
 public:
  /// `documents`: as counted when the shards were made or registered.
  TokenStream(std::vector<std::unique_ptr<TokenShard>> shards, std::int64_t vocab_size, std::int64_t documents);

  std::int64_t tokens() const { return starts_.back(); }
  std::int64_t documents() const { return documents_; }
  const std::vector<std::unique_ptr<TokenShard>>& shards() const { return shards_; }

  /// Ids first..first+count-1. Throws DataError (shard and byte) for an id outside the vocabulary.
  void read(std::int64_t first, std::int64_t count, TokenId* out) const;
  /// The positions p with first <= p < end at which a document begins, ascending.
  std::vector<std::int64_t> document_starts(std::int64_t first, std::int64_t end) const;

 private:
  std::vector<std::unique_ptr<TokenShard>> shards_;
  std::vector<std::int64_t> starts_;  // of each shard, and the end of the last
  std::int64_t vocab_size_;
  std::int64_t documents_;
};

/// Fills row `row` of a batch with tokens first..first+seq_len-1 and their successors as targets. At the end of the stream
/// the row is padded with token 0 without targets. With `reset_at_document` each document in the row has its own number,
/// and a token whose successor begins another document has no target; without it, the row is one document.
void fill_row(const TokenStream& stream, std::int64_t first, bool reset_at_document, Batch& batch, std::int64_t row);

/// A batch of this shape without targets.
Batch empty_batch(std::int64_t rows, std::int64_t seq_len);

}  // namespace ingot
