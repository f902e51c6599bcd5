#pragma once
// Training and validation data of a run.
//
//   DataModule data = prepare_data(config, families.get<TokenizerEntry>(), {.run_dir = dir, .seed =
//   seed}); Batch batch = data.make_batch(first_sample, count);
//
// Guaranteed:
//  - The global sample index alone decides what a row holds, together with (seed, data, seq_len):
//  any split of a range of
//    indices over ranks, micro-batches and restarts gives the same rows. The only state is
//    `samples_consumed`.
//  - Within an epoch of a source each of its windows comes once; each epoch has its own order.
//  - No document's text is in both training and a validation set made by `fraction`, duplicates
//  included.
//  - Every id of a batch is checked against the vocabulary before it is handed out.
//  - Validation sets do not depend on the seed.
// All const members may be called from several threads.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/progress.h"
#include "data/data_config.h"
#include "data/sampling/batch.h"
#include "data/sampling/windows.h"
#include "data/tokenizer.h"

namespace ingot {

class SampleOrder;

/// One held-out set, cut into windows in a fixed order that no seed changes. Every token of the set
/// is the target of exactly one window, the first of a document too (windows.h names the exceptions).
class ValidationSet {
 public:
  /// `token_bytes` as of the function; `text_bytes`: of all documents, if it is known.
  ValidationSet(std::string name, Windows windows, std::shared_ptr<const std::vector<std::int32_t>> token_bytes,
                std::optional<std::int64_t> text_bytes);

  const std::string& name() const { return name_; }
  /// Tokens and documents in the set.
  std::int64_t tokens() const;
  std::int64_t documents() const;
  /// All tokens, in the order of the text.
  const TokenStream& stream() const { return windows_.stream(); }
  /// Windows of the set; the last one may be padded.
  std::int64_t windows() const;
  /// Windows that a cap of `max_tokens` targets leaves (`evaluation.tokens`), at least one; a
  /// prefix of the order.
  std::int64_t windows(std::optional<std::int64_t> max_tokens) const;
  /// Windows first..first+rows-1. Always `rows` rows: those past the end have no targets. `samples`
  /// holds window numbers.
  Batch make_batch(std::int64_t first, std::int64_t rows) const;
  /// Bytes of the documents' text that the targets of a batch stand for: over all windows they add
  /// up to what the files hold, separators of documents apart. Unknown tokens share equally what the
  /// others leave, so a part of the windows may have fractions. nullopt if it cannot be told: no text,
  /// or an unknown token in shards made elsewhere. bits per byte = sum of nats / ln 2 / sum of these.
  std::optional<double> target_bytes(const Batch& batch) const;

 private:
  std::string name_;
  Windows windows_;
  std::shared_ptr<const std::vector<std::int32_t>> token_bytes_;
  std::optional<double> unknown_bytes_;  // of each unknown token
};

/// What the table at the start of a run shows.
struct SourceSummary {
  std::string name;
  double share = 1;  // of the samples
  std::int64_t documents = 0;
  std::int64_t tokens = 0;
  std::int64_t windows = 0;
  std::optional<std::int64_t> text_bytes;  // unknown for foreign shards
};

/// A part of a run's data that `data show` prints: where a row comes from.
struct SampleOrigin {
  std::string source;
  std::int64_t epoch = 0;
  std::int64_t window = 0;       // position in the source, in units of seq_len tokens
  std::int64_t first_token = 0;  // of the source's stream
};

class DataModule {
 public:
  struct Parts;  // internal
  explicit DataModule(std::shared_ptr<const Parts> parts);

  const Tokenizer& tokenizer() const;
  std::shared_ptr<const Tokenizer> shared_tokenizer() const;
  std::int64_t vocab_size() const;
  std::int64_t seq_len() const;

  /// Rows of samples first_sample..first_sample+count-1. Throws DataError (shard and offset) for a
  /// token out of range.
  Batch make_batch(std::int64_t first_sample, std::int64_t count) const;
  /// Rows of any samples, in the order given.
  Batch make_batch(std::span<const std::int64_t> samples) const;
  SampleOrigin origin(std::int64_t sample) const;

  /// Samples after which every window has come once on average; a mixture counts the windows of all
  /// its sources.
  std::int64_t samples_per_epoch() const;
  /// samples_per_epoch() * seq_len.
  std::int64_t tokens_per_epoch() const;

  const std::vector<ValidationSet>& validation_sets() const;
  std::vector<SourceSummary> sources() const;
  /// All tokens of a source, in the order of the text; `source` counts as `sources()` does.
  const TokenStream& source_stream(std::size_t source) const;
  /// What documents begin with as inputs (windows.h), where it is one token: what a sample starts from.
  std::optional<TokenId> document_opener() const;

  /// 32 hexadecimal digits over what decides the training batches: tokens, document bounds,
  /// tokenizer, names and weights of sources. Not over paths, times or validation. Part of the
  /// run's identity.
  const std::string& identity() const;
  /// The cache: tokenizers, and shards made from text.
  const fs::path& folder() const;
  /// The folders with the manifests of all data in use, in the cache or not.
  const std::vector<fs::path>& folders() const;

 private:
  std::shared_ptr<const Parts> parts_;
};

/// What the data of a run that goes on must be.
struct ExpectedData {
  std::string identity;   // of DataModule
  std::string tokenizer;  // its hash
  std::string whose;      // a checkpoint, for messages
};

/// What becomes of the text once its tokens lie in the cache.
enum class TextUse {
  kCompare,  // text that has changed, or is new, is an error; where it is gone its tokens do
  kIgnore,   // the tokens are what counts: nobody looks at the text
};

struct PrepareOptions {
  fs::path run_dir;        // `tokenizer.model` is copied here; default place of the cache
  std::uint64_t seed = 1;  // of the sample order
  bool may_build = true;  // false: throws NotPreparedError if the data is not prepared yet (ranks other than the first)
  TextUse text = TextUse::kCompare;
  std::optional<ExpectedData> expected = {};  // else throws OtherDataError, with the run's own files as they were
  ProgressCallback progress = {};
};

/// The cache lacks something that may not be made now.
class NotPreparedError : public DataError {
 public:
  using DataError::DataError;
};

/// The data is not what the run was trained on.
class OtherDataError : public DataError {
 public:
  using DataError::DataError;
};

/// Opens the data of a run; tokenises `paths` into the cache first if that has not been done. Work
/// that was killed goes on where it stopped. Throws DataError naming what is missing, broken, or
/// changed since it was tokenised or registered.
DataModule prepare_data(const DataConfig& config, const Family<TokenizerEntry>& tokenizers,
                        const PrepareOptions& options);

/// Whether every path of the config still names something.
bool data_is_there(const DataConfig& config);

/// Where a run directory has its tokenizer.
fs::path run_tokenizer_path(const fs::path& run_dir);
/// The tokenizer that `prepare_data` left there. Throws DataError.
std::shared_ptr<const Tokenizer> open_run_tokenizer(const Family<TokenizerEntry>& tokenizers, const fs::path& run_dir);
/// Puts the tokenizer where `open_run_tokenizer` finds it. The directory is created; an equal file is left alone.
void write_run_tokenizer(const fs::path& run_dir, const Tokenizer& tokenizer);

}  // namespace ingot
