#include "data/token_stream.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace ingot {

TokenStream::TokenStream(std::vector<std::unique_ptr<TokenShard>> shards, std::int64_t vocab_size,
                         std::int64_t documents)
    : shards_(std::move(shards)), starts_{0}, vocab_size_(vocab_size), documents_(documents) {
  for (const auto& shard : shards_) starts_.push_back(starts_.back() + shard->tokens());
}

void TokenStream::read(std::int64_t first, std::int64_t count, TokenId* out) const {
  // The last shard that starts at or before `first`; shards without tokens are passed over.
  auto s = static_cast<std::size_t>(std::upper_bound(starts_.begin(), starts_.end() - 1, first) - starts_.begin()) - 1;
  for (; count > 0; ++s) {
    const std::int64_t local = first - starts_[s];
    const std::int64_t here = std::min(count, shards_[s]->tokens() - local);
    shards_[s]->read(local, here, out);
    for (std::int64_t i = 0; i < here; ++i) {
      if (out[i] < 0 || out[i] >= vocab_size_) {
        throw DataError(cat(shards_[s]->path().string(), ": byte ", shards_[s]->byte_of(local + i), ": token ", out[i],
                            " is out of range, expected 0..", vocab_size_ - 1));
      }
    }
    first += here;
    count -= here;
    out += here;
  }
}

std::vector<std::int64_t> TokenStream::document_starts(std::int64_t first, std::int64_t end) const {
  std::vector<std::int64_t> all;
  const TokenShard* previous = nullptr;
  for (std::size_t s = 0; s < shards_.size(); ++s) {
    if (shards_[s]->tokens() == 0) continue;
    const TokenShard* before = std::exchange(previous, shards_[s].get());
    if (starts_[s + 1] <= first || starts_[s] >= end) continue;
    const bool begins = before == nullptr || shards_[s]->begins_document() || before->ends_document();
    if (begins && first <= starts_[s]) all.push_back(starts_[s]);
    std::vector<std::int64_t> local;
    shards_[s]->document_starts(std::max<std::int64_t>(first - starts_[s], 0),
                                std::min(end - starts_[s], shards_[s]->tokens()), local);
    for (const std::int64_t position : local) all.push_back(starts_[s] + position);
  }
  return all;
}

Batch empty_batch(std::int64_t rows, std::int64_t seq_len) {
  Batch batch;
  batch.rows = rows;
  batch.seq_len = seq_len;
  const auto size = static_cast<std::size_t>(rows * seq_len);
  batch.tokens.assign(size, 0);
  batch.targets.assign(size, -1);
  batch.documents.assign(size, 0);
  batch.samples.assign(static_cast<std::size_t>(rows), 0);
  return batch;
}

void fill_row(const TokenStream& stream, std::int64_t first, bool reset_at_document, Batch& batch, std::int64_t row) {
  const std::int64_t length = std::min(batch.seq_len + 1, stream.tokens() - first);
  std::vector<TokenId> ids(static_cast<std::size_t>(length));
  stream.read(first, length, ids.data());

  TokenId* tokens = batch.tokens.data() + row * batch.seq_len;
  TokenId* targets = batch.targets.data() + row * batch.seq_len;
  std::int32_t* documents = batch.documents.data() + row * batch.seq_len;
  std::copy(ids.begin(), ids.begin() + std::min(batch.seq_len, length), tokens);
  std::copy(ids.begin() + 1, ids.end(), targets);
  if (reset_at_document) {
    std::int32_t document = 0;
    std::int64_t filled = 0;
    for (const std::int64_t start : stream.document_starts(first + 1, first + length)) {
      const std::int64_t begin = start - first;  // position in the row of the next document's first token
      targets[begin - 1] = -1;
      std::fill(documents + filled, documents + begin, document++);
      filled = begin;
    }
    std::fill(documents + filled, documents + batch.seq_len, document);
  }
  batch.target_count += std::count_if(targets, targets + batch.seq_len, [](TokenId id) { return id >= 0; });
}

}  // namespace ingot
