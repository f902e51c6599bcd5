#include "data/shards/dataset.h"

#include <array>
#include <cstdio>
#include <map>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "data/progress_meter.h"
#include "data/shards/checksum.h"
#include "data/shards/journal.h"
#include "data/shards/shard_builder.h"
#include "data/text/text_kind.h"

namespace ingot {
namespace {

std::string part_suffix(std::int64_t part, std::int64_t parts) {
  if (parts == 1) return "";
  char text[48];
  std::snprintf(text, sizeof text, "-%05lld-of-%05lld", static_cast<long long>(part), static_cast<long long>(parts));
  return text;
}

/// Moves files from one folder to the other, those that are there: repeating it is harmless.
void move_files(const fs::path& from, const fs::path& to, const std::array<std::string, 2>& stems) {
  for (const std::string& stem : stems) {
    for (const char* extension : {".bin", ".idx"}) {
      const fs::path source = from / (stem + extension);
      if (fs::exists(source)) rename_durably(source, to / (stem + extension), ExitCode::kData);
    }
  }
}

std::vector<SourceRecord> record_sources(const Corpus& corpus, const ProgressCallback& progress) {
  std::int64_t total = 0;
  for (const Segment& segment : corpus.segments) total += segment.file.bytes;
  ProgressMeter meter(progress, "checksums of the text", total);
  std::vector<SourceRecord> records;
  for (const Segment& segment : corpus.segments) {
    if (segment.file.path.empty()) continue;  // standard input
    if (look_at(segment.file.path) != segment.file) {
      throw DataError(segment.file.path.string() + " has changed while it was tokenised: run again");
    }
    const bool is_whole = segment.begin == 0 && segment.end == INT64_MAX;
    records.push_back({segment.file, is_whole ? hash_file(segment.file.path) : ""});
    meter.add(segment.file.bytes);
  }
  return records;
}

void require_both_splits(const BuiltShards& built, double fraction) {
  const std::int64_t train = built.splits[0].documents, held_out = built.splits[1].documents, all = train + held_out;
  if (all == 0 && built.bad_records > 0) {
    throw DataError(cat("the text holds no document that can be used: ", built.bad_records, " were left out"));
  }
  if (all == 0) throw DataError("the text holds no documents");
  if (fraction <= 0) return;
  const char* empty = train == 0 ? "leaves none to train on" : "holds out none";
  if (train == 0 || held_out == 0) {
    throw DataError(cat("validation.fraction ", format_double(fraction), " ", empty, " of ", all,
                        " documents: change it, or set validation.paths"));
  }
}

/// Ids without a header and without an index would be read as text of another meaning.
void require_known_bin(const fs::path& path) {
  if (path.extension() != ".bin" || is_text(read_head(path, 4096))) return;
  const std::string index = fs::path(path).filename().replace_extension(".idx").string();
  throw DataError(path.string() + " seems to hold token ids without a header: it has no " + index +
                  " beside it and does not begin as llm.c's shards do. Of Megatron's format, put " + index +
                  " back; ids alone (nanoGPT's train.bin, u16) become a shard of llm.c with 256 int32 before them: "
                  "20240520, 1, the number of ids, zeros");
}

}  // namespace

std::string manifest_name(std::int64_t part, std::int64_t parts) {
  return parts == 1 ? Manifest::kFileName : "part" + part_suffix(part, parts) + ".json";
}

bool is_side_file(const std::string& name) {
  return name == Manifest::kFileName || name == "tokenizer.model" || glob_match("part-*-of-*.json", name);
}

namespace {

/// The manifest of what the work folder holds. What is wrong with the text as a whole leaves nothing to go on from.
Manifest describe(const DatasetPlan& plan, const ShardBuild& build, const BuiltShards& built) {
  Manifest manifest;
  manifest.tokenizer_hash = plan.tokenizer->hash();
  manifest.vocab_size = plan.tokenizer->vocab_size();
  manifest.settings = plan.settings;
  manifest.bad_records = built.bad_records;
  manifest.part = plan.part;
  manifest.parts = plan.parts;
  try {
    if (plan.parts == 1) require_both_splits(built, plan.fraction);
    manifest.sources = record_sources(plan.corpus, plan.progress);
  } catch (const DataError&) {
    discard_work(build.work_folder);
    throw;
  }
  ProgressMeter meter(plan.progress, "checksums of the tokens", 0);
  for (std::size_t i = 0; i < (plan.fraction > 0 ? 2u : 1u); ++i) {
    const fs::path bin = build.work_folder / (build.stems[i] + ".bin");
    SplitRecord& split = manifest.splits[i == 0 ? "train" : "validation"];
    split.text_bytes = built.splits[i].text_bytes;
    split.shards.push_back(record_shard(bin, ".", ShardKind::kMegatron, manifest.vocab_size, plan.tokenizer->eos(),
                                        [&meter](std::int64_t bytes) { meter.add(bytes); }));
  }
  return manifest;
}

/// Puts everything under its final name, the manifest last. If that fails, tokens without a manifest go back.
void commit(const DatasetPlan& plan, const ShardBuild& build, const Manifest& manifest) {
  try {
    move_files(build.work_folder, plan.folder, build.stems);
    write_file_atomic(plan.folder / "tokenizer.model", plan.tokenizer->serialize(), ExitCode::kData);
    manifest.save(plan.folder, manifest_name(plan.part, plan.parts));
  } catch (...) {
    move_files(plan.folder, build.work_folder, build.stems);
    throw;
  }
}

}  // namespace

Manifest make_dataset(const DatasetPlan& plan) {
  const std::string suffix = part_suffix(plan.part, plan.parts);
  ShardBuild build;
  build.segments = plan.corpus.segments;
  build.documents = plan.corpus.documents;
  build.text_key = plan.corpus.text_key;
  build.on_bad_record = plan.corpus.on_bad_record;
  build.tokenizer = plan.tokenizer;
  if (plan.fraction > 0 && plan.parts == 1 && !plan.corpus.segments.front().file.path.empty()) {
    build.split_at = single_document_split(plan.corpus, plan.fraction);
  }
  build.held_out_fraction = build.split_at ? 0 : plan.fraction;
  build.work_folder = plan.folder / (".partial" + suffix);
  build.stems = {"train" + suffix, "validation" + suffix};
  // The journal belongs to these files as they are now.
  std::string state = plan.settings + plan.tokenizer->hash();
  for (const Segment& s : plan.corpus.segments) {
    state += cat("\n", s.file.path.string(), " ", s.file.bytes, " ", s.file.modified_ns, " ", s.begin, " ", s.end);
  }
  build.settings = hash128(state);
  build.workers = plan.workers;
  build.commit_bytes = plan.commit_bytes.value_or(build.commit_bytes);
  build.progress = plan.progress;
  warn_of_json(plan.corpus.segments, plan.corpus.format);
  if (fs::exists(build.work_folder / Journal::kFileName)) {
    move_files(plan.folder, build.work_folder, build.stems);  // of a call that was killed at the end
  }
  const BuiltShards built = build_shards(build);
  if (built.bad_records > 0) {
    log::warning(cat(format_grouped(built.bad_records),
                     built.bad_records == 1 ? " bad record was" : " bad records were",
                     " left out (on_bad_record: skip)"));
  }
  const Manifest manifest = describe(plan, build, built);
  commit(plan, build, manifest);
  fs::remove_all(build.work_folder);
  return manifest;
}

std::vector<fs::path> shard_files(const std::vector<SourceFile>& files) {
  std::vector<fs::path> shards;
  std::string other;
  for (const SourceFile& file : files) {
    if (!shard_kind(file.path)) {
      require_known_bin(file.path);
      if (file.path.filename() != "tokenizer.model") other = file.path.string();
    } else if (file.path.extension() == ".bin") {
      shards.push_back(file.path);
    } else if (const fs::path bin = fs::path(file.path).replace_extension(".bin");
               std::none_of(files.begin(), files.end(), [&bin](const SourceFile& f) { return f.path == bin; })) {
      shards.push_back(bin);
    }
  }
  if (!shards.empty() && !other.empty()) {
    throw DataError(other + " is no token shard, but " + shards.front().string() + " is: expected one kind in paths");
  }
  return shards;
}

Manifest register_shards(const std::vector<fs::path>& files, const Tokenizer& tokenizer, const fs::path& folder,
                         const std::string& settings, const ProgressCallback& progress) {
  std::int64_t total = 0;
  for (const fs::path& file : files) total += look_at(file).bytes;
  ProgressMeter meter(progress, "verifying", total);
  Manifest manifest;
  manifest.tokenizer_hash = tokenizer.hash();
  manifest.vocab_size = tokenizer.vocab_size();
  manifest.settings = settings;
  SplitRecord& split = manifest.splits["train"];
  for (const fs::path& file : files) {
    split.shards.push_back(record_shard(file, "", shard_kind(file).value(), tokenizer.vocab_size(), tokenizer.eos(),
                                        [&meter](std::int64_t bytes) { meter.add(bytes); }));
  }
  fs::create_directories(folder);
  manifest.save(folder);
  return manifest;
}

OpenedData open_data(std::vector<PlacedManifest>& manifests, const std::string& split, const Tokenizer& tokenizer) {
  OpenedData data;
  std::vector<std::unique_ptr<TokenShard>> shards;
  std::int64_t documents = 0, text_bytes = 0;
  bool has_text_bytes = true;
  StreamHash identity;
  for (PlacedManifest& placed : manifests) {
    if (!placed.manifest.splits.contains(split)) {
      throw DataError((placed.folder / Manifest::kFileName).string() + " lists no shards of '" + split + "'");
    }
    SplitRecord& record = placed.manifest.splits.at(split);
    OpenedSplit opened = open_split(record, placed.folder, tokenizer.eos());
    for (auto& shard : opened.shards) shards.push_back(std::move(shard));
    documents += record.documents();
    has_text_bytes = has_text_bytes && record.text_bytes.has_value();
    text_bytes += record.text_bytes.value_or(0);
    for (const ShardRecord& shard : record.shards) {
      for (const std::string& checksum : shard.ids.checksums) identity.field(checksum);
      if (shard.index) {
        for (const std::string& checksum : shard.index->checksums) identity.field(checksum);
      }
    }
    if (!opened.record_changed) continue;
    try {
      placed.manifest.save(placed.folder);
    } catch (const Error& error) {
      log::warning(cat("cannot note the new times of files: ", error.what()));
    }
  }
  data.stream = std::make_shared<TokenStream>(std::move(shards), tokenizer.vocab_size(), documents);
  if (has_text_bytes) data.text_bytes = text_bytes;
  data.identity = identity.digest();
  return data;
}

}  // namespace ingot
