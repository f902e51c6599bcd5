#pragma once
// A stream of tokens cut into windows, the rows of batches, and where documents begin in them.
//
// The token that ends a document (eos) is a target of the document it ends and an input of the one it opens. Nothing
// stands before the first document of a stream, so that it gets an eos of its own:
//
//   stream          t1  t2  eos u1  eos
//   inputs      eos t1  t2  eos u1
//   targets     t1  t2  eos u1  eos
//   documents   0   0   0   1   1
//
// So every token is the target of exactly one input, the first of a document included, and a sample that starts from
// eos starts as documents do. Exceptions, all in shards made elsewhere or by a tokenizer without eos:
//  - A stream that begins with an eos (llm.c's shards do) or within a document gets none: its first token is no target.
//  - A document that begins with bos, or that no eos precedes, opens itself: its first token is an input alone, and
//    where documents are apart, the last input of the one before has no target.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "data/sampling/batch.h"
#include "data/shards/token_stream.h"
#include "data/tokenizer.h"

namespace ingot {

class Windows {
 public:
  /// With `reset_at_document` the documents in a row are numbered; without, each row is one document, whatever it
  /// holds. Throws DataError if the stream cannot be read.
  Windows(std::shared_ptr<const TokenStream> stream, std::int64_t seq_len, bool reset_at_document,
          const Tokenizer& tokenizer);

  const TokenStream& stream() const { return *stream_; }
  std::int64_t seq_len() const { return seq_len_; }
  /// The input that documents begin with, if it is the same for all: eos or bos.
  std::optional<TokenId> opener() const { return opener_; }

  /// Windows that are full, and all that have a target: the last one may be padded.
  std::int64_t full() const { return targets() / seq_len_; }
  std::int64_t all() const { return (targets() + seq_len_ - 1) / seq_len_; }
  /// Tokens that a stream needs for one full window.
  std::int64_t fewest_tokens() const { return seq_len_ + 1 - lead_; }
  /// The token of the stream that a window begins with.
  std::int64_t first_token(std::int64_t window) const;
  /// Fills a row: inputs, and as targets their successors; padding is token 0 without a target. Throws DataError.
  void fill(std::int64_t window, Batch& batch, std::int64_t row) const;

 private:
  std::int64_t targets() const;
  void separate_documents(std::int64_t first, std::span<const TokenId> ids, Batch& batch, std::int64_t row) const;

  std::shared_ptr<const TokenStream> stream_;
  std::int64_t seq_len_;
  bool reset_at_document_;
  std::optional<TokenId> eos_, bos_, opener_;
  std::int64_t lead_ = 0;  // inputs before the stream's first token: an eos, or none
};

/// A batch of this shape without targets.
Batch empty_batch(std::int64_t rows, std::int64_t seq_len);

}  // namespace ingot
