#pragma once
// Text files as a sequence of blocks of about 1 MiB, and blocks as documents. Reading cuts at borders of documents and
// does little else, so that one thread can feed many that parse and encode. Where blocks are cut depends on the files
// alone. A document of up to 1 MiB lies whole in one block; a longer one begins its block and goes on in the next ones.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/data_config.h"
#include "data/text/byte_stream.h"
#include "data/text/source_files.h"

namespace ingot {

/// A part of a file: documents that start in begin..end-1 (unpacked bytes).
struct Segment {
  SourceFile file;  // an empty path is standard input
  std::int64_t begin = 0;
  std::int64_t end = INT64_MAX;
  bool is_jsonl = false;
};

/// How the files of a corpus are read; `standard_input()` for paths {"-"}.
std::vector<Segment> find_segments(const CorpusConfig& corpus);
/// Warns of files that hold JSON but are read as plain text, since nobody said how.
void warn_of_json(const std::vector<Segment>& segments, TextFormat format);
/// The part of process `shard` of `shards`: lines of plain files are divided at any byte, other files stay whole.
std::vector<Segment> divide_segments(const std::vector<Segment>& segments, const DocumentRule& documents,
                                     std::int64_t shard, std::int64_t shards);

struct TextBlock {
  std::size_t segment = 0;
  std::int64_t offset = 0;  // of bytes[0] in the unpacked file
  std::int64_t line = 1;    // of bytes[0], counted from the segment's first
  std::string bytes;
  bool continues = false;   // begins within a document
  bool unfinished = false;  // its last document goes on in the next block
};

/// Where reading goes on.
struct ReadPosition {
  std::size_t segment = 0;
  std::int64_t offset = 0;
  bool inside_document = false;
  std::int64_t line = 1;  // of the segment
};

class BlockReader {
 public:
  static constexpr std::size_t kBlock = std::size_t{1} << 20;

  BlockReader(std::vector<Segment> segments, DocumentRule documents, ReadPosition start = {});
  ~BlockReader();

  /// At this byte of the first file a document ends and the next begins, whatever the rule says.
  void split_at(std::int64_t offset) { split_ = offset; }
  /// False at the end. Throws DataError.
  bool next(TextBlock& block);
  /// After the last block.
  ReadPosition position() const { return position_; }
  /// Bytes on disk read so far, of those in `bytes_total` (0 for standard input).
  std::int64_t bytes_read() const;
  std::int64_t bytes_total() const { return bytes_total_; }

 private:
  struct Cut {
    std::size_t length;
    bool unfinished;
  };
  void open_segment();
  void fill(std::size_t size);
  bool at_end() const { return at_end_of_file_ && buffer_.size() == begin_; }
  std::string_view view() const { return std::string_view(buffer_).substr(begin_); }
  Cut find_cut();
  Cut cut_lines(const Segment& segment);

  std::vector<Segment> segments_;
  DocumentRule documents_;
  ReadPosition position_;
  std::optional<std::int64_t> split_;
  std::unique_ptr<ByteStream> stream_;
  std::string buffer_;
  std::size_t begin_ = 0;
  bool at_end_of_file_ = false;
  std::int64_t bytes_done_ = 0;  // of segments that are done
  std::int64_t bytes_total_ = 0;
};

/// A document, or the part of it that a block holds.
struct DocumentPart {
  std::string_view text;
  bool begins = true;
  bool ends = true;
  std::int64_t offset = 0;  // in the unpacked file, of text (of its line for JSONL)
};

/// A document, or the part of it that a block holds, that cannot be used.
struct BadRecord {
  std::string message;  // names file, line and byte
  bool begins = true;
  bool ends = true;
};

/// Calls `use` for each document of the block. Documents of white space alone are left out. What cannot be used (NUL
/// bytes or text that is not UTF-8, a line that is not a JSON object with `text_key`) goes to `use_bad`; without one it
/// is a DataError that names file, line and byte.
void for_each_document(const TextBlock& block, const Segment& segment, const DocumentRule& documents,
                       const std::string& text_key, const std::function<void(const DocumentPart&)>& use,
                       const std::function<void(const BadRecord&)>& use_bad = {});

/// "FILE:LINE: byte OFFSET" of a byte of the block, given by its offset in the unpacked file. Reads the file up to
/// there if the segment does not begin with it.
std::string place_in(const TextBlock& block, const Segment& segment, std::int64_t offset);

}  // namespace ingot
