#include "data/shards/shard_builder.h"

#include <sched.h>
#include <xxhash.h>

#include <chrono>
#include <cmath>
#include <thread>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "data/progress_meter.h"
#include "data/shards/block_pipeline.h"
#include "data/shards/journal.h"
#include "data/text/document_text.h"

namespace ingot {
namespace {

constexpr std::uint64_t kSplitSeed = 0x68656C64206F7574;  // "held out"
constexpr std::int64_t kShownBadRecords = 10;
constexpr auto kCommitInterval = std::chrono::seconds(5);

void encode_block(const ShardBuild& build, const TextBlock& block, TextEncoder& encoder, EncodedBlock& out) {
  const Segment& segment = build.segments[block.segment];
  const std::optional<TokenId> eos = build.tokenizer->eos();
  const bool skips = build.on_bad_record == OnBadRecord::kSkip;
  const std::function<void(const BadRecord&)> use_bad = [&out](const BadRecord& record) {
    EncodedBlock::Document document;
    document.first = document.end = out.ids.size();
    document.begins = record.begins;
    document.ends = record.ends;
    document.error = record.message;
    out.documents.push_back(document);
  };
  const auto use = [&](const DocumentPart& part) {
    EncodedBlock::Document document;
    document.first = out.ids.size();
    try {
      encoder.encode(part.text, out.ids);
    } catch (const DataError& error) {
      const std::string message =
          cat(place_in(block, segment, part.offset), ": in the document from here: ", error.what());
      if (!skips) throw DataError(message);
      out.ids.resize(document.first);
      return use_bad({message, part.begins, part.ends});
    }
    document.text_bytes = std::ssize(part.text);
    if (part.ends && eos) out.ids.push_back(*eos);
    document.end = out.ids.size();
    document.begins = part.begins;
    document.ends = part.ends;
    document.held_out = part.begins && is_held_out(part.text, build.held_out_fraction);
    out.documents.push_back(document);
  };
  for_each_document(block, segment, build.documents, build.text_key, use, skips ? use_bad : nullptr);
}

/// Puts encoded blocks into the files of the two splits and commits now and then.
class SplitWriter {
 public:
  SplitWriter(const ShardBuild& build, Journal& journal) : build_(build), journal_(journal) {
    if (journal.last()) state_ = *journal.last();
    const bool has_validation = build.held_out_fraction > 0 || build.split_at;
    for (std::size_t i = 0; i < (has_validation ? 2u : 1u); ++i) {
      const std::int64_t vocab = build.tokenizer->vocab_size();
      writers_[i] = journal.last()
                        ? std::make_unique<MegatronWriter>(build.work_folder, build.stems[i], vocab, state_.splits[i])
                        : std::make_unique<MegatronWriter>(build.work_folder, build.stems[i], vocab);
    }
    if (writers_[static_cast<std::size_t>(state_.open_split)] == nullptr) {
      throw DataError("'" + (build.work_folder / "journal").string() +
                      "': a document goes on that is held out, but none is: remove the folder to start again");
    }
  }

  const BuildState& state() const { return state_; }

  void write(const EncodedBlock& block) {
    for (const EncodedBlock::Document& document : block.documents) {
      if (document.error.empty()) {
        write(document, block.ids);
      } else {
        leave_out(document);
      }
    }
    state_.position = block.after;
    state_.bytes_consumed += block.text_bytes;
    uncommitted_ += block.text_bytes;
    const auto now = std::chrono::steady_clock::now();
    if (uncommitted_ >= build_.commit_bytes || now - committed_at_ >= kCommitInterval) commit();
  }

  void commit() {
    for (const auto& writer : writers_) {
      if (writer) writer->sync();
    }
    journal_.commit(state_);
    uncommitted_ = 0;
    committed_at_ = std::chrono::steady_clock::now();
  }

  void finish() {
    commit();
    for (const auto& writer : writers_) {
      if (writer) writer->finish();
    }
    sync_path(build_.work_folder, ExitCode::kData);
    state_.is_finished = true;
    journal_.commit(state_);
  }

 private:
  void write(const EncodedBlock::Document& document, const std::vector<TokenId>& ids) {
    if (document.begins) {
      state_.is_dropping = false;
      // Of a single document that was split, the second part is held out.
      state_.open_split = build_.split_at ? std::min<std::int64_t>(state_.splits[0].documents, 1) : document.held_out;
    }
    if (state_.is_dropping) return;
    const auto split = static_cast<std::size_t>(state_.open_split);
    writers_[split]->append(std::span(ids).subspan(document.first, document.end - document.first));
    state_.open_text_bytes += document.text_bytes;
    if (document.ends) {
      writers_[split]->end_document();
      state_.text_bytes[split] += state_.open_text_bytes;
      state_.open_text_bytes = 0;
    }
    state_.splits[split] = writers_[split]->progress();
  }

  /// A bad part: the whole document is left out, and what was written of it is taken back.
  void leave_out(const EncodedBlock::Document& document) {
    if (document.begins) state_.is_dropping = false;
    if (state_.is_dropping) return;
    if (state_.bad_records++ < kShownBadRecords) log::warning("left out: " + document.error);
    state_.is_dropping = true;
    if (document.begins) return;
    // What goes on from the block before stands first in this one, so the state is the one after that block.
    const auto split = static_cast<std::size_t>(state_.open_split);
    writers_[split]->forget_document();
    state_.splits[split] = writers_[split]->progress();
    state_.open_text_bytes = 0;
    commit();
    writers_[split]->cut_to_progress();
  }

  const ShardBuild& build_;
  Journal& journal_;
  BuildState state_;
  std::array<std::unique_ptr<MegatronWriter>, 2> writers_;
  std::int64_t uncommitted_ = 0;
  std::chrono::steady_clock::time_point committed_at_ = std::chrono::steady_clock::now();
};

void remove_lengths(const ShardBuild& build) {
  for (const std::string& stem : build.stems) MegatronWriter::remove_lengths(build.work_folder, stem);
}

BuiltShards result_of(const BuildState& state) {
  BuiltShards built;
  built.bad_records = state.bad_records;
  for (std::size_t i = 0; i < built.splits.size(); ++i) {
    built.splits[i] = {state.splits[i].tokens, state.splits[i].documents, state.text_bytes[i]};
  }
  return built;
}

}  // namespace

bool is_held_out(std::string_view text, double fraction) {
  if (fraction <= 0) return false;
  const std::string_view trimmed = trim(text);
  const std::uint64_t hash = XXH3_64bits_withSeed(trimmed.data(), trimmed.size(), kSplitSeed);
  return static_cast<double>(hash) < std::ldexp(fraction, 64);
}

std::int64_t default_workers() {
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) == 0) return std::max(CPU_COUNT(&allowed), 1);
  return std::max(1u, std::thread::hardware_concurrency());
}

namespace {

BuiltShards build_with(const ShardBuild& build, Journal& journal) {
  if (journal.last() && journal.last()->is_finished) {
    remove_lengths(build);
    return result_of(*journal.last());
  }

  SplitWriter writer(build, journal);
  BlockReader reader(build.segments, build.documents, writer.state().position);
  if (build.split_at) reader.split_at(*build.split_at);
  ProgressMeter meter(build.progress, "tokenising", reader.bytes_total(), reader.bytes_read());
  run_block_pipeline(
      reader, build.workers, [&] { return build.tokenizer->encoder(); },
      [&](const TextBlock& block, TextEncoder& encoder, EncodedBlock& out) {
        encode_block(build, block, encoder, out);
      },
      [&](EncodedBlock& block) {
        writer.write(block);
        meter.set(block.bytes_read);
      });
  writer.finish();
  remove_lengths(build);
  return result_of(writer.state());
}

}  // namespace

void discard_work(const fs::path& work_folder) {
  std::error_code ignored;
  fs::remove_all(work_folder, ignored);
  fs::remove(work_folder.parent_path(), ignored);
}

BuiltShards build_shards(const ShardBuild& build) {
  std::error_code failure;
  fs::create_directories(build.work_folder, failure);
  if (failure) throw DataError("cannot create '" + build.work_folder.string() + "': " + failure.message());
  Journal journal(build.work_folder, build.settings);
  try {
    return build_with(build, journal);
  } catch (...) {
    if (!journal.last()) discard_work(build.work_folder);
    throw;
  }
}

}  // namespace ingot
