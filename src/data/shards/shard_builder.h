#pragma once
// Text to token files in a work folder: one thread reads, several parse and encode, the calling thread writes in order.
//
// The work folder holds PREFIXSPLIT.bin and .lengths, and `journal`, a line of JSON for each committed state. What is
// committed is on disk, so that a killed run goes on from the last line. At the end the folder holds .bin and .idx
// files.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "data/shards/megatron.h"
#include "data/text/block_reader.h"
#include "data/tokenizer.h"

namespace ingot {

struct ShardBuild {
  std::vector<Segment> segments;
  DocumentRule documents;
  std::string text_key = "text";
  OnBadRecord on_bad_record = OnBadRecord::kStop;
  std::shared_ptr<const Tokenizer> tokenizer;
  double held_out_fraction = 0;          // of the documents, by a hash of their text
  std::optional<std::int64_t> split_at;  // a single document: this byte ends the training part
  fs::path work_folder;
  std::array<std::string, 2> stems = {"train", "validation"};
  std::string settings;  // a journal made with other settings is thrown away
  std::int64_t workers = 1;
  std::int64_t commit_bytes = std::int64_t{256} << 20;  // of text between two commits, at most (or five seconds)
  ProgressCallback progress = {};
};

struct BuiltSplit {
  std::int64_t tokens = 0;
  std::int64_t documents = 0;
  std::int64_t text_bytes = 0;
};
struct BuiltShards {
  std::array<BuiltSplit, 2> splits;  // training and validation
  std::int64_t bad_records = 0;      // left out
};

/// Writes the files of both splits (validation only if something can be held out). Throws DataError; what is committed
/// stays, and a work folder in which nothing is goes.
BuiltShards build_shards(const ShardBuild& build);

/// Removes a work folder, and the folder that it lies in if nothing else does.
void discard_work(const fs::path& work_folder);

/// True if a document with this text (its first MiB) is held out: equal texts, up to white space at both ends, are
/// always in one split.
bool is_held_out(std::string_view text, double fraction);

/// The number of workers for `auto`: one per core this process may use.
std::int64_t default_workers();

}  // namespace ingot
