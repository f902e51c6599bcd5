#pragma once
// `ingot tokenize`: text to token shards.
//
// Guaranteed: bounded memory; the output depends on the input and the settings only, not on the
// number of workers; a killed run goes on where it stopped and ends with the same files; nothing
// lies under a final name before it is complete; a full disk is a DataError (exit 3) and leaves
// what is committed.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/progress.h"
#include "data/data_config.h"

namespace ingot {

struct TokenizeRequest {
  CorpusConfig input;                         // paths {"-"}: JSONL on standard input
  Variant<TokenizerEntry> tokenizer;          // made or trained, unless `tokenizer_file` is set
  std::optional<fs::path> tokenizer_file;     // an existing tokenizer.model
  fs::path output;                            // folder for manifest.json, tokenizer.model, *.bin, *.idx
  std::optional<double> validation_fraction;  // also writes validation.bin/.idx
  OnBadRecord on_bad_record = OnBadRecord::kStop;
  std::optional<std::int64_t> workers;  // default: one per core
  std::int64_t shard = 0;               // `--shard i/n`: this process's part, 0 <= shard < shards
  std::int64_t shards = 1;
  ProgressCallback progress = {};
};

struct TokenizeResult {
  fs::path folder;
  bool was_complete = false;  // nothing had to be done
  std::int64_t documents = 0;
  std::int64_t tokens = 0;
  std::int64_t validation_documents = 0;
  std::int64_t validation_tokens = 0;
  std::int64_t text_bytes = 0;
  std::int64_t bad_records = 0;  // left out
  std::int64_t vocab_size = 0;
  double seconds = 0;
};

/// Throws DataError or ConfigError.
TokenizeResult tokenize(const TokenizeRequest& request, const Family<TokenizerEntry>& tokenizers);

/// Writes the manifest that joins the n parts made by `--shard i/n` in one folder (the token files
/// stay as they are). Throws DataError naming the parts that are missing or were made with another
/// tokenizer or other settings.
TokenizeResult merge_shards(const fs::path& folder);

}  // namespace ingot
