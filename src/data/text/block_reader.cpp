#include "data/text/block_reader.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "data/text/document_text.h"
#include "data/text/text_kind.h"
#include "data/text/utf8.h"

namespace ingot {
namespace {

constexpr std::size_t kSlack = std::size_t{1} << 16;
constexpr std::size_t kView = BlockReader::kBlock + kSlack;
constexpr std::size_t kHead = std::size_t{1} << 16;         // of a file, to tell what it holds
constexpr std::size_t kLongestLine = std::size_t{1} << 30;  // of JSONL, which is parsed whole

bool is_standard_input(const Segment& segment) { return segment.file.path.empty(); }

/// The extension in lower case, of packed files the one before `.gz` or `.zst`.
std::string text_extension(fs::path path) {
  const auto lower = [](std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text;
  };
  std::string extension = lower(path.extension().string());
  if (extension == ".gz" || extension == ".zst") extension = lower(path.replace_extension().extension().string());
  return extension;
}

/// Data sets of JSON lines are often named `.json`; other JSON has no one place where its text is.
bool is_jsonl_file(const fs::path& path) {
  const std::string extension = text_extension(path);
  if (extension == ".jsonl" || extension == ".ndjson" || extension == ".jsonlines") return true;
  return extension == ".json" && json_use(read_head(path, kHead)) == JsonUse::kLines;
}

}  // namespace

std::vector<Segment> find_segments(const CorpusConfig& corpus) {
  std::vector<Segment> segments;
  if (corpus.paths.size() == 1 && corpus.paths[0] == "-") {
    segments.push_back({SourceFile{}, 0, INT64_MAX, true});
    return segments;
  }
  for (const SourceFile& file : find_files(corpus.paths)) {
    const bool is_jsonl =
        corpus.format == TextFormat::kAuto ? is_jsonl_file(file.path) : corpus.format == TextFormat::kJsonl;
    segments.push_back({file, 0, INT64_MAX, is_jsonl});
  }
  return segments;
}

void warn_of_json(const std::vector<Segment>& segments, TextFormat format) {
  if (format != TextFormat::kAuto) return;
  for (const Segment& segment : segments) {
    if (segment.is_jsonl || is_standard_input(segment) || segment.begin > 0) continue;
    const JsonUse use = json_use(read_head(segment.file.path, kHead));
    if (use == JsonUse::kNone) continue;
    log::warning(segment.file.path.string() +
                 (use == JsonUse::kLines
                      ? " looks like JSON lines, but is read as plain text by its name: set format to "
                        "jsonl, or to text if that is meant"
                      : " looks like JSON, but not like JSON lines, and is read as plain text: write "
                        "an object with the text on each line, or set format to text if that is "
                        "meant"));
  }
}

std::vector<Segment> divide_segments(const std::vector<Segment>& segments, const DocumentRule& documents,
                                     std::int64_t shard, std::int64_t shards) {
  if (shards == 1) return segments;
  std::int64_t total = 0;
  for (const Segment& segment : segments) total += segment.file.bytes;
  // In double-width arithmetic: total * shards may pass 2^63.
  const auto border = [&](std::int64_t i) {
    return static_cast<std::int64_t>(static_cast<__int128>(total) * i / shards);
  };
  std::vector<Segment> part;
  std::int64_t start = 0;
  for (const Segment& segment : segments) {
    const std::int64_t begin = border(shard) - start, end = border(shard + 1) - start;
    const bool has_lines = segment.is_jsonl || documents.kind == DocumentRule::Kind::kLine;
    if (has_lines && !is_standard_input(segment) && packing_of(segment.file.path) == Packing::kNone) {
      Segment lines = segment;
      lines.begin = std::max<std::int64_t>(begin, 0);
      lines.end = end >= segment.file.bytes ? INT64_MAX : end;
      if (lines.begin < segment.file.bytes && lines.begin < lines.end && end > 0) part.push_back(lines);
    } else if (begin <= 0 && 0 < end) {
      part.push_back(segment);
    }
    start += segment.file.bytes;
  }
  return part;
}

BlockReader::BlockReader(std::vector<Segment> segments, DocumentRule documents, ReadPosition start)
    : segments_(std::move(segments)), documents_(std::move(documents)), position_(start) {
  const auto bytes = [](const Segment& s) { return std::min(s.end, s.file.bytes) - s.begin; };
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    if (!is_standard_input(segments_[i])) bytes_total_ += bytes(segments_[i]);
    if (i < position_.segment) bytes_done_ += bytes(segments_[i]);
  }
}

BlockReader::~BlockReader() = default;

std::int64_t BlockReader::bytes_read() const {
  if (stream_ == nullptr) return bytes_done_;
  return bytes_done_ + stream_->packed_position() - segments_[position_.segment].begin;
}

void BlockReader::open_segment() {
  const Segment& segment = segments_[position_.segment];
  stream_ = is_standard_input(segment) ? open_standard_input() : open_byte_stream(segment.file.path);
  buffer_.clear();
  begin_ = 0;
  at_end_of_file_ = false;
  if (position_.offset > segment.begin || segment.begin == 0) return stream_->skip(position_.offset);
  // The first line that starts in the segment follows the first newline from the byte before it on.
  position_.offset = segment.begin - 1;
  stream_->skip(position_.offset);
  for (;;) {
    fill(kView);
    const std::size_t newline = view().find('\n');
    const std::size_t passed = newline == view().npos ? view().size() : newline + 1;
    begin_ += passed;
    position_.offset += static_cast<std::int64_t>(passed);
    if (newline != view().npos || at_end()) return;
  }
}

void BlockReader::fill(std::size_t size) {
  if (begin_ > 0) {
    buffer_.erase(0, begin_);
    begin_ = 0;
  }
  const std::size_t before = buffer_.size();
  if (before >= size || at_end_of_file_) return;
  buffer_.resize(size);
  const std::size_t got = stream_->read(buffer_.data() + before, size - before);
  buffer_.resize(before + got);
  at_end_of_file_ = before + got < size;
}

bool BlockReader::next(TextBlock& block) {
  for (;;) {
    if (position_.segment >= segments_.size()) return false;
    const Segment& segment = segments_[position_.segment];
    if (stream_ == nullptr) open_segment();
    fill(kView);
    if (!at_end() && (position_.offset < segment.end || position_.inside_document)) break;
    // The last block said that its document goes on, but the file ends here: `find_cut` never does that.
    bytes_done_ += std::min(segment.end, segment.file.bytes) - segment.begin;
    stream_.reset();
    position_ = {position_.segment + 1, 0, false, 1};
  }
  Cut cut = find_cut();
  if (split_ && position_.segment == 0 && position_.offset < *split_) {
    const std::size_t first = utf8_boundary(view(), static_cast<std::size_t>(*split_ - position_.offset));
    if (first > 0 && first <= cut.length) cut = {first, false};
  }
  block.segment = position_.segment;
  block.offset = position_.offset;
  block.line = position_.line;
  block.continues = position_.inside_document;
  block.unfinished = cut.unfinished;
  block.bytes.assign(view().substr(0, cut.length));
  begin_ += cut.length;
  position_.offset += static_cast<std::int64_t>(cut.length);
  position_.inside_document = cut.unfinished;
  position_.line += std::count(block.bytes.begin(), block.bytes.end(), '\n');
  return true;
}

BlockReader::Cut BlockReader::find_cut() {
  const Segment& segment = segments_[position_.segment];
  if (segment.is_jsonl || documents_.kind == DocumentRule::Kind::kLine) return cut_lines(segment);
  if (view().size() <= kBlock && at_end_of_file_) return {view().size(), false};
  // More than a block is there, so the view is as long as it gets and does not depend on how much was read at once.
  const std::size_t end = last_document_end(view().substr(0, kView), kBlock, documents_);
  if (end > 0) return {end, false};
  return {cut_position(view(), kBlock), true};
}

BlockReader::Cut BlockReader::cut_lines(const Segment& segment) {
  std::size_t limit = kBlock;
  if (segment.end - position_.offset <= static_cast<std::int64_t>(kBlock)) {
    // The last line starts before the segment's end and is read to its own end.
    const std::int64_t last = std::max<std::int64_t>(segment.end - 1 - position_.offset, 0);
    const std::size_t newline = view().find('\n', static_cast<std::size_t>(last));
    if (newline < kBlock) return {newline + 1, false};
  }
  if (view().size() <= limit && at_end_of_file_) return {view().size(), false};
  const std::size_t newline = view().rfind('\n', limit - 1);
  if (newline != view().npos) return {newline + 1, false};
  if (!segment.is_jsonl) return {cut_position(view(), limit), true};
  while (view().find('\n') == view().npos && !at_end_of_file_) {
    if (view().size() > kLongestLine) {
      throw DataError(cat(segment.file.path.string(), ": byte ", position_.offset, ": a line of more than 1 GiB"));
    }
    fill(2 * view().size());
  }
  const std::size_t end = view().find('\n');
  return {end == view().npos ? view().size() : end + 1, false};
}

}  // namespace ingot
