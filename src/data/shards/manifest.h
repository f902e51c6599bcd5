#pragma once
// What is known about prepared data: `manifest.json`, beside the shards or, for shards made elsewhere, in the cache.
// Checksums and token ranges were verified when it was written; sizes and times tell whether the files are still the
// same.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/progress.h"
#include "data/shards/token_shard.h"
#include "data/text/source_files.h"

namespace ingot {

/// A file and the xxh3-64 of each of its 64 MiB parts.
struct FileRecord {
  static constexpr std::int64_t kPart = std::int64_t{64} << 20;
  fs::path path;  // relative to the manifest's folder, or absolute
  std::int64_t bytes = 0;
  std::int64_t modified_ns = 0;
  std::vector<std::string> checksums;
};

struct ShardRecord {
  ShardKind kind = ShardKind::kMegatron;
  FileRecord ids;
  std::optional<FileRecord> index;
  std::int64_t tokens = 0;
  std::int64_t documents = 0;
  std::int64_t largest_id = -1;
};

struct SplitRecord {
  std::vector<ShardRecord> shards;
  std::optional<std::int64_t> text_bytes;  // unknown for shards made elsewhere

  std::int64_t tokens() const;
  std::int64_t documents() const;
};

/// A text file that went in, with the hash of its bytes.
struct SourceRecord {
  SourceFile file;
  std::string hash;  // empty: not known
};

struct Manifest {
  static constexpr const char* kFileName = "manifest.json";
  std::string tokenizer_hash;  // of tokenizer.model
  std::int64_t vocab_size = 0;
  std::string settings;                       // what was asked for, as JSON; equal settings and text give equal files
  std::vector<SourceRecord> sources;          // empty for shards made elsewhere
  std::map<std::string, SplitRecord> splits;  // "train", "validation"
  std::int64_t bad_records = 0;               // left out of the text
  std::int64_t part = 0, parts = 1;           // `--shard i/n`

  /// Throws DataError naming what is wrong with the file.
  static Manifest load(const fs::path& folder, const std::string& name = kFileName);
  void save(const fs::path& folder, const std::string& name = kFileName) const;
};

/// Size, time and checksums of a file now.
FileRecord record_file(const fs::path& path, const fs::path& shown_path,
                       const std::function<void(std::int64_t bytes)>& progress = {});

/// The first difference between a file and its record, or "": missing, size, or the byte where a part starts that has
/// another checksum.
std::string verify_file(const FileRecord& record, const fs::path& folder,
                        const std::function<void(std::int64_t bytes)>& progress = {});

/// Reads all ids and the index of a shard: counts, range, bounds of documents; no checksums. Throws DataError (file and
/// byte), e.g. for an id outside the vocabulary.
ShardRecord scan_shard(const fs::path& path, ShardKind kind, std::int64_t vocab_size, std::optional<TokenId> eos);

/// Records a shard: checksums, index, range of ids, number of documents. `shown_folder` is
/// put before the files' names; empty: absolute paths. Throws DataError as scan_shard does.
ShardRecord record_shard(const fs::path& path, const fs::path& shown_folder, ShardKind kind, std::int64_t vocab_size,
                         std::optional<TokenId> eos, const std::function<void(std::int64_t bytes)>& progress = {});

/// Opens the shards of a split: header, size and time are compared with the record. If only a time differs, the
/// checksums are verified, and the new time is put into `record` and true returned (save it). Throws DataError that
/// says what changed.
struct OpenedSplit {
  std::vector<std::unique_ptr<TokenShard>> shards;
  bool record_changed = false;
};
OpenedSplit open_split(SplitRecord& record, const fs::path& folder, std::optional<TokenId> eos);

/// Throws DataError if a text file is no longer what it was when it was tokenised; `remedy` says what a user may do.
/// Files that are gone are put into `gone`, or an error without it. Files whose time alone differs are read again; true
/// if a time in `sources` was updated.
bool check_sources(std::vector<SourceRecord>& sources, const std::string& remedy,
                   std::vector<fs::path>* gone = nullptr);

/// xxh3-128 of a file's bytes.
std::string hash_file(const fs::path& path);

}  // namespace ingot
