#include "data/shards/token_stream.h"

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

bool TokenStream::begins_document() const {
  for (const auto& shard : shards_) {
    if (shard->tokens() > 0) return shard->begins_document();
  }
  return true;
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

}  // namespace ingot
