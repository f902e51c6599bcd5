#include <system_error>

#include "base/error.h"
#include "base/own_folder.h"
#include "base/staged.h"
#include "base/text.h"
#include "data/checksum.h"
#include "data/data_module.h"
#include "data/file_lock.h"
#include "data/module_parts.h"
#include "data/prepare.h"

namespace ingot {
namespace {

constexpr const char* kTokenizerFile = "tokenizer.model";

class Assembler {
 public:
  Assembler(const DataConfig& config, Preparer& preparer, std::uint64_t seed)
      : config_(config), preparer_(preparer), seed_(seed), parts_(std::make_shared<DataModule::Parts>()) {}

  std::shared_ptr<const DataModule::Parts> assemble(const fs::path& cache) {
    parts_->tokenizer = preparer_.tokenizer();
    parts_->seq_len = config_.seq_len;
    parts_->reset_at_document = config_.reset_at_document;
    parts_->token_bytes = std::make_shared<const std::vector<std::int32_t>>(ingot::token_bytes(*parts_->tokenizer));
    parts_->folder = cache;
    identity_.field(parts_->tokenizer->hash());
    add_sources();
    add_validation();
    parts_->identity = identity_.digest();
    parts_->folders = preparer_.folders();
    return parts_;
  }

 private:
  void add_sources() {
    std::vector<SampleSource> order;
    if (config_.train.sources.empty()) {
      order.push_back(add_source("train", config_.train, std::nullopt));
    }
    for (const SourceConfig& source : config_.train.sources) {
      order.push_back(add_source(source.name, source.resolved(config_.train), source.weight));
    }
    parts_->order = std::make_unique<SampleOrder>(std::move(order), seed_);
  }

  SampleSource add_source(const std::string& name, const CorpusConfig& corpus, std::optional<double> weight) {
    const double fraction = config_.validation.fraction.value_or(0);
    Preparer::Opened opened = preparer_.open(name, corpus, fraction);
    const std::int64_t tokens = opened.train.stream->tokens();
    const std::int64_t windows = (tokens - 1) / parts_->seq_len;
    if (windows < 1) {
      throw DataError(
          cat("data.train: '", name, "' has ", tokens, " tokens, expected more than seq_len (", parts_->seq_len, ")"));
    }
    identity_.field(name);
    identity_.field(weight ? format_double(*weight) : "");
    identity_.field(opened.train.identity);
    parts_->sources.push_back({name, opened.train.stream, opened.train.text_bytes, windows});
    if (fraction > 0) {
      // A mixture holds out a part of each source, scored on its own.
      add_set(config_.train.sources.empty() ? "validation" : name, opened.held_out);
    }
    return {name, windows, weight.value_or(static_cast<double>(windows))};
  }

  void add_validation() {
    const CorpusConfig& defaults = config_.train;
    if (!config_.validation.paths.empty()) {
      CorpusConfig corpus = defaults;
      corpus.paths = config_.validation.paths;
      add_set("validation", preparer_.open_held_out("validation", corpus));
    }
    for (const auto& [name, set] : config_.validation.sets) {
      add_set(name, preparer_.open_held_out("validation-" + name, set.resolved(defaults)));
    }
  }

  void add_set(const std::string& name, const OpenedData& data) {
    parts_->validation_sets.emplace_back(name, data.stream, parts_->seq_len, parts_->reset_at_document,
                                         parts_->token_bytes);
  }

  const DataConfig& config_;
  Preparer& preparer_;
  std::uint64_t seed_;
  std::shared_ptr<DataModule::Parts> parts_;
  StreamHash identity_;
};

/// What killed builds left beside their files. Precondition: the cache is locked.
void remove_abandoned(const fs::path& cache) {
  std::error_code failure;
  for (const auto& entry : fs::directory_iterator(cache, failure)) {
    if (entry.is_directory()) remove_abandoned_files(entry.path(), is_side_file);
  }
}

}  // namespace

DataModule prepare_data(const DataConfig& config, const Family<TokenizerEntry>& tokenizers,
                        const PrepareOptions& options) {
  const fs::path cache =
      fs::absolute(config.cache.is_auto() ? options.run_dir / "data" : fs::path(config.cache.value()));
  const auto attempt = [&](bool may_build) {
    Preparer preparer(config, tokenizers, cache, may_build, options.progress);
    return Assembler(config, preparer, options.seed).assemble(cache);
  };
  std::shared_ptr<const DataModule::Parts> parts;
  try {
    parts = attempt(false);
  } catch (const NotPreparedError&) {
    if (!options.may_build) throw;
    const FolderClaim claim(cache, FolderKind::kCache, "data.cache");
    const FolderLock lock(cache, FolderLock::IfTaken::kWait, ".lock", [&options] {
      if (options.progress) options.progress({"waiting for another process that prepares the data", 0, 0, 0, 0});
    });
    remove_abandoned(cache);
    parts = attempt(true);
  }
  if (options.may_build && !options.run_dir.empty()) write_run_tokenizer(options.run_dir, *parts->tokenizer);
  return DataModule(std::move(parts));
}

void write_run_tokenizer(const fs::path& run_dir, const Tokenizer& tokenizer) {
  std::error_code failure;
  fs::create_directories(run_dir, failure);
  const fs::path file = run_dir / kTokenizerFile;
  const std::string bytes = tokenizer.serialize();
  if (!fs::exists(file) || read_file(file, ExitCode::kData) != bytes) write_file_atomic(file, bytes, ExitCode::kData);
}

std::shared_ptr<const Tokenizer> open_run_tokenizer(const Family<TokenizerEntry>& tokenizers, const fs::path& run_dir) {
  const fs::path file = run_dir / kTokenizerFile;
  if (!fs::exists(file)) throw DataError("no " + file.string() + ", expected the tokenizer of a run");
  return load_tokenizer(tokenizers, read_file(file, ExitCode::kData), file.string());
}

}  // namespace ingot
