#include "data/shard_builder.h"

#include <sched.h>
#include <xxhash.h>

#include <chrono>
#include <cmath>
#include <thread>

#include "base/error.h"
#include "base/text.h"
#include "data/block_pipeline.h"
#include "data/document_text.h"
#include "data/journal.h"
#include "data/progress_meter.h"

namespace ingot {
namespace {

constexpr std::uint64_t kSplitSeed = 0x68656C64206F7574;  // "held out"
constexpr auto kCommitInterval = std::chrono::seconds(5);

void encode_block(const ShardBuild& build, const TextBlock& block, TextEncoder& encoder, EncodedBlock& out) {
  const std::optional<TokenId> eos = build.tokenizer->eos();
  for_each_document(block, build.segments[block.segment], build.documents, build.text_key,
                    [&](const DocumentPart& part) {
                      EncodedBlock::Document document;
                      document.first = out.ids.size();
                      try {
                        encoder.encode(part.text, out.ids);
                      } catch (const DataError& error) {
                        const std::string file = build.segments[block.segment].file.path.string();
                        throw DataError(cat(file.empty() ? "standard input" : file, ": in the document at byte ",
                                            part.offset, ": ", error.what()));
                      }
                      if (part.ends && eos) out.ids.push_back(*eos);
                      document.end = out.ids.size();
                      document.text_bytes = static_cast<std::int64_t>(part.text.size());
                      document.begins = part.begins;
                      document.ends = part.ends;
                      document.held_out = part.begins && is_held_out(part.text, build.held_out_fraction);
                      out.documents.push_back(document);
                    });
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
  }

  const BuildState& state() const { return state_; }

  void write(const EncodedBlock& block) {
    for (const EncodedBlock::Document& document : block.documents) {
      if (document.begins) {
        // Of a single document that was split, the second part is held out.
        state_.open_split = build_.split_at ? std::min<std::int64_t>(state_.splits[0].documents, 1) : document.held_out;
      }
      const auto split = static_cast<std::size_t>(state_.open_split);
      writers_[split]->append(std::span(block.ids).subspan(document.first, document.end - document.first));
      state_.text_bytes[split] += document.text_bytes;
      if (document.ends) writers_[split]->end_document();
      state_.splits[split] = writers_[split]->progress();
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
  for (std::size_t i = 0; i < built.size(); ++i) {
    built[i] = {state.splits[i].tokens, state.splits[i].documents, state.text_bytes[i]};
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

BuiltShards build_shards(const ShardBuild& build) {
  std::error_code failure;
  fs::create_directories(build.work_folder, failure);
  if (failure) throw DataError("cannot create '" + build.work_folder.string() + "': " + failure.message());
  Journal journal(build.work_folder, build.settings);
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

}  // namespace ingot
