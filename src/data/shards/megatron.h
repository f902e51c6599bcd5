#pragma once
// Writing Megatron's indexed data set (token_shard.h), one document at a time, in bounded memory.

#include <cstdint>
#include <span>

#include "base/files.h"
#include "data/tokenizer.h"

namespace ingot {

/// What a writer has written, enough to go on from it.
struct MegatronProgress {
  std::int64_t tokens = 0;         // of whole documents and of the open one
  std::int64_t documents = 0;      // that have ended
  std::int64_t open_document = 0;  // tokens of the document that has not ended
  std::int64_t largest_id = -1;
};

/// Files while writing: STEM.bin and STEM.lengths (i32, one for each document). `finish` makes STEM.idx from the
/// latter. Ids are stored as u16 if the vocabulary is below 65500 (as Megatron does), else as i32.
class MegatronWriter {
 public:
  MegatronWriter(const fs::path& folder, const std::string& stem, std::int64_t vocab_size);
  /// Goes on: what was written after `progress` is cut off. Throws DataError if less is there.
  MegatronWriter(const fs::path& folder, const std::string& stem, std::int64_t vocab_size,
                 const MegatronProgress& progress);

  /// Adds ids to the open document. Throws DataError for a document of 2^31 tokens or more.
  void append(std::span<const TokenId> ids);
  void end_document();
  /// Takes back what was appended of the open document: first from the progress, which the caller notes, then from the
  /// file, so that a kill in between leaves more than was noted, never less.
  void forget_document();
  void cut_to_progress();
  const MegatronProgress& progress() const { return progress_; }
  /// Everything so far is on disk.
  void sync();
  /// Writes the index; all is on disk. May be repeated with a writer that goes on. Precondition: no open document.
  void finish();
  /// The lengths are not needed any more once the caller has noted that `finish` succeeded.
  static void remove_lengths(const fs::path& folder, const std::string& stem);

 private:
  fs::path bin_path() const { return folder_ / (stem_ + ".bin"); }
  fs::path lengths_path() const { return folder_ / (stem_ + ".lengths"); }

  fs::path folder_;
  std::string stem_;
  bool is_small_;
  MegatronProgress progress_;
  std::unique_ptr<FileWriter> bin_;
  std::unique_ptr<FileWriter> lengths_;
  std::vector<std::uint16_t> scratch_;
};

/// Bytes of an id in the file for this vocabulary: 2 or 4.
std::int64_t megatron_item_size(std::int64_t vocab_size);

}  // namespace ingot
