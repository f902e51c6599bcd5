#pragma once
// Prepared data on disk: made from text, registered from shards made elsewhere, and opened.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/shards/corpus_scan.h"
#include "data/shards/manifest.h"
#include "data/shards/token_stream.h"

namespace ingot {

struct DatasetPlan {
  Corpus corpus;
  std::shared_ptr<const Tokenizer> tokenizer;
  double fraction = 0;  // held out
  fs::path folder;
  std::string settings;  // JSON; see Manifest
  std::int64_t part = 0, parts = 1;
  std::int64_t workers = 1;
  std::optional<std::int64_t> commit_bytes;  // see ShardBuild
  ProgressCallback progress = {};
};

/// "manifest.json", or "part-00002-of-00008.json".
std::string manifest_name(std::int64_t part, std::int64_t parts);

/// Whether a file of this name lies beside token shards: manifests and the tokenizer.
bool is_side_file(const std::string& name);

/// Tokenises into the folder; the manifest is written last. Goes on with what a killed call left. Throws DataError.
Manifest make_dataset(const DatasetPlan& plan);

/// Records shards made elsewhere (`files` as given by shard_files) in `folder`. Throws DataError.
Manifest register_shards(const std::vector<fs::path>& files, const Tokenizer& tokenizer, const fs::path& folder,
                         const std::string& settings, const ProgressCallback& progress);

/// The token shards among files: Megatron's by their .bin, llm.c's. Throws DataError if some files are shards and
/// others are not; empty if none is.
std::vector<fs::path> shard_files(const std::vector<SourceFile>& files);

/// A split as it is used: the stream, and what identifies its content.
struct OpenedData {
  std::shared_ptr<const TokenStream> stream;
  std::optional<std::int64_t> text_bytes;
  std::string identity;  // over the bytes of the shards
};

/// Opens a split of one or more manifests (with their folders), one after the other. Writes manifests whose times were
/// updated. Throws DataError.
struct PlacedManifest {
  Manifest manifest;
  fs::path folder;
};
OpenedData open_data(std::vector<PlacedManifest>& manifests, const std::string& split, const Tokenizer& tokenizer);

}  // namespace ingot
