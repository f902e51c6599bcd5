#include "data/shards/tokenize.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/own_folder.h"
#include "base/staged.h"
#include "base/text.h"
#include "data/shards/dataset.h"
#include "data/shards/file_lock.h"
#include "data/shards/manifest.h"
#include "data/shards/path_json.h"
#include "data/shards/settings_json.h"
#include "data/shards/shard_builder.h"

namespace ingot {
namespace {

using nlohmann::json;

// A tokenizer that was trained, until the tokens are there.
constexpr const char* kKeptTokenizer = ".tokenizer.model";
constexpr const char* kKeptSettings = ".tokenizer.json";
constexpr std::size_t kMostNamed = 10;

bool is_standard_input(const CorpusConfig& corpus) { return corpus.paths.size() == 1 && corpus.paths[0] == "-"; }

std::shared_ptr<const Tokenizer> tokenizer_of(const TokenizeRequest& request, const Family<TokenizerEntry>& tokenizers,
                                              const Corpus& corpus) {
  if (request.tokenizer_file) {
    const fs::path& file = *request.tokenizer_file;
    return load_tokenizer(tokenizers, read_file(file, ExitCode::kData), file.string());
  }
  if (request.tokenizer.entry().trains) {
    if (is_standard_input(request.input)) {
      throw ConfigError("a tokenizer cannot be trained on standard input, which is read once: give a tokenizer.model");
    }
    // What a killed run trained serves again; a run with other settings has another folder (the settings' hash).
    const fs::path kept = request.output / kKeptTokenizer;
    const fs::path note = request.output / kKeptSettings;
    json settings{{"tokenizer", json::parse(tokenizer_settings(request.tokenizer))},
                  {"corpus", json::parse(corpus_settings(request.input, request.on_bad_record))},
                  {"fraction", request.validation_fraction.value_or(0)}};
    for (const Segment& s : corpus.segments) {
      settings["files"].push_back({path_to_json(s.file.path), s.file.bytes, s.file.modified_ns});
    }
    if (fs::exists(kept) && fs::exists(note) && read_file(note, ExitCode::kData) == settings.dump()) {
      return load_tokenizer(tokenizers, read_file(kept, ExitCode::kData), kept.string());
    }
    const auto tokenizer =
        make_tokenizer(request.tokenizer, {corpus}, request.validation_fraction.value_or(0), request.progress);
    write_file_atomic(kept, tokenizer->serialize(), ExitCode::kData);
    write_file_atomic(note, settings.dump(), ExitCode::kData);
    return tokenizer;
  }
  return make_tokenizer(request.tokenizer, {}, 0, {});
}

TokenizeResult result_of(const Manifest& manifest, const fs::path& folder) {
  TokenizeResult result;
  result.folder = folder;
  result.vocab_size = manifest.vocab_size;
  result.bad_records = manifest.bad_records;
  for (const auto& [name, split] : manifest.splits) {
    (name == "train" ? result.documents : result.validation_documents) += split.documents();
    (name == "train" ? result.tokens : result.validation_tokens) += split.tokens();
    result.text_bytes += split.text_bytes.value_or(0);
  }
  return result;
}

/// What killed calls left beside their files.
void remove_abandoned(const fs::path& folder) {
  remove_abandoned_files(folder, [](const std::string& name) {
    return is_side_file(name) || name == kKeptTokenizer || name == kKeptSettings;
  });
}

/// What decides the token files, apart from the text. The fraction and the rule of documents, but no workers.
std::string settings_of(const TokenizeRequest& request, const Tokenizer& tokenizer) {
  return json{{"corpus", json::parse(corpus_settings(request.input, request.on_bad_record))},
              {"tokenizer", tokenizer.hash()},
              {"fraction", request.validation_fraction.value_or(0)}}
      .dump();
}

/// The manifest of an earlier call, if it is of the same text and settings. Throws DataError if it is of others.
std::optional<Manifest> earlier_result(const TokenizeRequest& request, const Corpus& corpus,
                                       const std::string& settings) {
  const std::string name = manifest_name(request.shard, request.shards);
  if (!fs::exists(request.output / name)) return std::nullopt;
  Manifest manifest = Manifest::load(request.output, name);
  const std::string remedy = "remove '" + request.output.string() + "' or choose another folder";
  if (manifest.settings != settings) {
    throw DataError((request.output / name).string() + " is of other text or settings: " + remedy);
  }
  if (is_standard_input(request.input)) {
    throw DataError((request.output / name).string() + " is there already: " + remedy);
  }
  check_sources(manifest.sources, remedy);
  for (const Segment& segment : corpus.segments) {
    const auto& sources = manifest.sources;
    const bool is_known = std::any_of(sources.begin(), sources.end(),
                                      [&segment](const SourceRecord& r) { return r.file.path == segment.file.path; });
    if (!is_known) throw DataError(segment.file.path.string() + " is new since the text was tokenised: " + remedy);
  }
  return manifest;
}

void require_no_tokens(const Corpus& corpus) {
  std::vector<SourceFile> files;
  for (const Segment& segment : corpus.segments) {
    if (!segment.file.path.empty()) files.push_back(segment.file);
  }
  if (const auto shards = shard_files(files); !shards.empty()) {
    throw DataError(shards.front().string() + " holds tokens already, expected text");
  }
}

}  // namespace

TokenizeResult tokenize(const TokenizeRequest& request, const Family<TokenizerEntry>& tokenizers) {
  const auto began = std::chrono::steady_clock::now();
  if (request.shards < 1 || request.shard < 0 || request.shard >= request.shards) {
    throw ConfigError(cat("shard ", request.shard, "/", request.shards, ", expected i/n with 0 <= i < n"));
  }
  if (request.shards > 1 && is_standard_input(request.input)) {
    throw ConfigError("standard input cannot be divided into shards");
  }
  const FolderClaim claim(request.output, FolderKind::kShards, "--out");
  const FolderLock lock(request.output, FolderLock::IfTaken::kFail,
                        ".lock" + (request.shards > 1 ? cat("-", request.shard) : std::string()));
  // Parts may write at the same time.
  if (request.shards == 1) remove_abandoned(request.output);
  const Corpus corpus = Corpus::find(request.input, request.on_bad_record);
  require_no_tokens(corpus);
  const auto tokenizer = tokenizer_of(request, tokenizers, corpus);
  if (!tokenizer->has_text()) throw ConfigError("the tokenizer 'external' cannot encode text");
  DatasetPlan plan;
  plan.corpus = corpus;
  plan.corpus.segments = divide_segments(corpus.segments, corpus.documents, request.shard, request.shards);
  plan.tokenizer = tokenizer;
  plan.fraction = request.validation_fraction.value_or(0);
  plan.folder = request.output;
  plan.settings = settings_of(request, *tokenizer);
  plan.part = request.shard;
  plan.parts = request.shards;
  plan.workers = request.workers.value_or(default_workers());
  plan.progress = request.progress;

  TokenizeResult result;
  if (const auto earlier = earlier_result(request, plan.corpus, plan.settings)) {
    result = result_of(*earlier, request.output);
    result.was_complete = true;
  } else {
    result = result_of(make_dataset(plan), request.output);
  }
  fs::remove(request.output / kKeptTokenizer);
  fs::remove(request.output / kKeptSettings);
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return result;
}

TokenizeResult merge_shards(const fs::path& folder) {
  if (!fs::is_directory(folder)) throw DataError("there is no folder '" + folder.string() + "'");
  std::vector<Manifest> parts;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (glob_match("part-*-of-*.json", name)) parts.push_back(Manifest::load(folder, name));
  }
  if (parts.empty()) throw DataError("'" + folder.string() + "' holds no parts made with --shard");
  std::sort(parts.begin(), parts.end(), [](const Manifest& a, const Manifest& b) { return a.part < b.part; });
  const Manifest& first = parts.front();
  Manifest whole;
  whole.tokenizer_hash = first.tokenizer_hash;
  whole.vocab_size = first.vocab_size;
  whole.settings = first.settings;
  std::vector<std::string> missing;
  for (std::int64_t i = 0; i < first.parts; ++i) {
    const auto part = std::find_if(parts.begin(), parts.end(), [i](const Manifest& m) { return m.part == i; });
    const std::string name = manifest_name(i, first.parts);
    if (part == parts.end() || part->parts != first.parts) {
      missing.push_back(name);
      continue;
    }
    if (part->tokenizer_hash != first.tokenizer_hash || part->settings != first.settings) {
      throw DataError((folder / name).string() + " was made with another tokenizer or other settings than part 0");
    }
    whole.bad_records += part->bad_records;
    for (const SourceRecord& source : part->sources) {
      const bool is_known = std::any_of(whole.sources.begin(), whole.sources.end(),
                                        [&source](const SourceRecord& r) { return r.file == source.file; });
      if (!is_known) whole.sources.push_back(source);
    }
    for (const auto& [split, record] : part->splits) {
      SplitRecord& all = whole.splits[split];
      all.text_bytes = all.text_bytes.value_or(0) + record.text_bytes.value_or(0);
      all.shards.insert(all.shards.end(), record.shards.begin(), record.shards.end());
    }
  }
  if (missing.size() > kMostNamed) {
    const std::size_t more = missing.size() - kMostNamed;
    missing.resize(kMostNamed);
    missing.push_back(cat("and ", more, " more"));
  }
  if (!missing.empty()) throw DataError("'" + folder.string() + "' lacks " + join(missing, ", "));
  if (fs::exists(folder / Manifest::kFileName))
    Manifest::load(folder);  // an earlier merge's is replaced, no other file
  whole.save(folder);
  remove_abandoned(folder);
  return result_of(whole, folder);
}

}  // namespace ingot
