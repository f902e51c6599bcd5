#pragma once
// Files of token ids.
//
//   Megatron's indexed data set: PREFIX.bin holds the ids one after the other; PREFIX.idx holds "MMIDIDX\0\0", u64
//   version 1,
//     u8 type of an id (1 u8, 2 i8, 3 i16, 4 i32, 5 i64, 8 u16), u64 S sequences, u64 D, i32 lengths[S], i64 byte
//     offsets[S], i64 documents[D]: the sequence each document begins with, and S at the end.
//   llm.c's shards: 256 i32 (magic 20240520, version 1, number of tokens), then u16 ids; or magic 20240801, version 7,
//   u32
//     ids. Documents are told by the token that ends one.
// All numbers are little-endian.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "data/tokenizer.h"

namespace ingot {

/// More than any file system holds. Counts below it, in bytes, can be added and multiplied by the size of an id.
constexpr std::int64_t kMostTokens = std::int64_t{1} << 50;

/// What a file says is checked where it is followed: it may have changed since it was opened, or since a manifest
/// vouched for it.
class TokenShard {
 public:
  virtual ~TokenShard() = default;

  /// The file that holds the ids, for messages.
  const fs::path& path() const { return path_; }
  std::int64_t tokens() const { return tokens_; }
  /// 0 if the format does not count them.
  virtual std::int64_t documents() const = 0;
  /// Ids first..first+count-1 as they are in the file. Precondition: within 0..tokens(). An id that is no
  /// 31-bit number is read as -1. Throws DataError if the file cannot be read or has been cut.
  virtual void read(std::int64_t first, std::int64_t count, TokenId* out) const = 0;
  /// Appends the positions p with first <= p < end and p > 0 at which a document begins, ascending. Throws DataError
  /// where the index has others.
  virtual void document_starts(std::int64_t first, std::int64_t end, std::vector<std::int64_t>& starts) const = 0;
  /// Whether the file's first token begins a document, and its last one ends one: a document may go on in the next
  /// file.
  virtual bool begins_document() const { return true; }
  virtual bool ends_document() const { return true; }
  /// Where in the file an id lies.
  virtual std::int64_t byte_of(std::int64_t token) const = 0;
  /// Reads the whole index: lengths and offsets fit together, documents ascend. Throws DataError.
  virtual void check_index() const {}

 protected:
  TokenShard(fs::path path, std::int64_t tokens) : path_(std::move(path)), tokens_(tokens) {}

 private:
  fs::path path_;
  std::int64_t tokens_;
};

/// `path` is the .bin or the .idx file. Throws DataError: file, byte, what was expected (wrong magic, cut files …).
std::unique_ptr<TokenShard> open_megatron(const fs::path& path);
/// `eos` tells documents apart, also over files; without it they are one document.
std::unique_ptr<TokenShard> open_llmc(const fs::path& path, std::optional<TokenId> eos);

enum class ShardKind { kMegatron, kLlmc };
/// By the first bytes of an .idx or .bin file and by the files beside it; nullopt if it is neither.
std::optional<ShardKind> shard_kind(const fs::path& path);

}  // namespace ingot
