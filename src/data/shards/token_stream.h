#pragma once
// Shards one after the other, as one stream of tokens.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/shards/token_shard.h"

namespace ingot {

class TokenStream {
 public:
  /// `documents`: as counted when the shards were made or registered.
  TokenStream(std::vector<std::unique_ptr<TokenShard>> shards, std::int64_t vocab_size, std::int64_t documents);

  std::int64_t tokens() const { return starts_.back(); }
  std::int64_t documents() const { return documents_; }
  const std::vector<std::unique_ptr<TokenShard>>& shards() const { return shards_; }
  /// Whether the first token begins a document; files of llm.c may begin within one.
  bool begins_document() const;

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

}  // namespace ingot
