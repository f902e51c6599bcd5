#include "data/sampling/windows.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace ingot {

Windows::Windows(std::shared_ptr<const TokenStream> stream, std::int64_t seq_len, bool reset_at_document,
                 const Tokenizer& tokenizer)
    : stream_(std::move(stream)),
      seq_len_(seq_len),
      reset_at_document_(reset_at_document),
      eos_(tokenizer.eos()),
      bos_(tokenizer.bos()),
      opener_(eos_) {
  if (stream_->tokens() == 0) return;
  TokenId first;
  stream_->read(0, 1, &first);
  if (first == bos_) opener_ = bos_;
  if (opener_ && first != *opener_ && stream_->begins_document()) lead_ = 1;
}

std::int64_t Windows::targets() const { return std::max<std::int64_t>(stream_->tokens() + lead_ - 1, 0); }

std::int64_t Windows::first_token(std::int64_t window) const {
  return std::max<std::int64_t>(window * seq_len_ - lead_, 0);
}

void Windows::fill(std::int64_t window, Batch& batch, std::int64_t row) const {
  const std::int64_t first = window * seq_len_ - lead_;  // of the stream; -1: the eos before it
  const std::int64_t before = first < 0 ? 1 : 0;
  const std::int64_t length = std::min(seq_len_ + 1, stream_->tokens() - first);
  std::vector<TokenId> ids(static_cast<std::size_t>(length));
  if (before > 0) ids[0] = *opener_;
  stream_->read(first + before, length - before, ids.data() + before);

  std::copy(ids.begin(), ids.begin() + std::min(seq_len_, length), batch.tokens.begin() + row * seq_len_);
  const auto targets = batch.targets.begin() + row * seq_len_;
  std::copy(ids.begin() + 1, ids.end(), targets);
  if (reset_at_document_) separate_documents(first, ids, batch, row);
  batch.target_count += std::count_if(targets, targets + seq_len_, [](TokenId id) { return id >= 0; });
}

void Windows::separate_documents(std::int64_t first, std::span<const TokenId> ids, Batch& batch,
                                 std::int64_t row) const {
  std::int32_t* documents = batch.documents.data() + row * seq_len_;
  std::int32_t number = 0;
  std::int64_t filled = 0, last = 0;
  for (const std::int64_t start : stream_->document_starts(first + 1, first + std::ssize(ids))) {
    std::int64_t begin = start - first;  // position in the row of the input that the document begins with
    if (begin <= last || begin >= std::ssize(ids)) {
      throw DataError(cat(stream_->shards().front()->path().parent_path().string(), ": document bounds near token ",
                          first, " that do not ascend: the index of a shard has changed"));
    }
    last = begin;
    const TokenId before = ids[static_cast<std::size_t>(begin - 1)], own = ids[static_cast<std::size_t>(begin)];
    if (before == eos_ && own != bos_) {
      --begin;
    } else {
      batch.targets[static_cast<std::size_t>(row * seq_len_ + begin - 1)] = -1;
    }
    if (begin == filled) continue;
    std::fill(documents + filled, documents + begin, number++);
    filled = begin;
  }
  std::fill(documents + filled, documents + seq_len_, number);
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

}  // namespace ingot
