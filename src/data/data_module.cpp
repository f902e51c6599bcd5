#include "data/data_module.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/random.h"
#include "base/text.h"
#include "data/module_parts.h"

namespace ingot {
namespace {

/// Orders the windows of held-out sets: any prefix is a fair sample, and no run's seed changes it.
constexpr std::uint64_t kValidationKey = 0x76616C69646174;

constexpr std::int64_t kTokensAtOnce = 1 << 16;

/// Bytes of text that an unknown token stands for on average: of `text_bytes` what other tokens leave. nullopt if there
/// is no such token in the stream.
std::optional<double> bytes_of_unknown(const TokenStream& stream, const std::vector<std::int32_t>& token_bytes,
                                       std::int64_t text_bytes) {
  if (std::find(token_bytes.begin(), token_bytes.end(), -1) == token_bytes.end()) return std::nullopt;
  std::int64_t known = 0, unknown = 0;
  std::vector<TokenId> ids;
  for (std::int64_t first = 0; first < stream.tokens(); first += std::ssize(ids)) {
    ids.resize(static_cast<std::size_t>(std::min(kTokensAtOnce, stream.tokens() - first)));
    stream.read(first, std::ssize(ids), ids.data());
    for (const TokenId id : ids) {
      const std::int32_t bytes = token_bytes[static_cast<std::size_t>(id)];
      known += std::max(bytes, 0);
      unknown += bytes < 0;
    }
  }
  if (unknown == 0) return std::nullopt;
  return static_cast<double>(text_bytes - known) / static_cast<double>(unknown);
}

}  // namespace

ValidationSet::ValidationSet(std::string name, Windows windows,
                             std::shared_ptr<const std::vector<std::int32_t>> token_bytes,
                             std::optional<std::int64_t> text_bytes)
    : name_(std::move(name)), windows_(std::move(windows)), token_bytes_(std::move(token_bytes)) {
  if (tokens() < 2) {
    throw DataError(cat("the held-out set '", name_, "' has ", tokens(), " tokens, expected at least 2"));
  }
  if (text_bytes) unknown_bytes_ = bytes_of_unknown(stream(), *token_bytes_, *text_bytes);
}

std::int64_t ValidationSet::tokens() const { return stream().tokens(); }
std::int64_t ValidationSet::documents() const { return stream().documents(); }
std::int64_t ValidationSet::windows() const { return windows_.all(); }

std::int64_t ValidationSet::windows(std::optional<std::int64_t> max_tokens) const {
  if (!max_tokens) return windows();
  return std::clamp<std::int64_t>(*max_tokens / windows_.seq_len(), 1, windows());
}

Batch ValidationSet::make_batch(std::int64_t first, std::int64_t rows) const {
  Batch batch = empty_batch(rows, windows_.seq_len());
  const std::int64_t count = windows();
  for (std::int64_t row = 0; row < rows; ++row) {
    batch.samples[static_cast<std::size_t>(row)] = first + row;
    if (first + row >= count) continue;
    const auto window = static_cast<std::int64_t>(
        permute(static_cast<std::uint64_t>(count), kValidationKey, static_cast<std::uint64_t>(first + row)));
    windows_.fill(window, batch, row);
  }
  return batch;
}

std::optional<double> ValidationSet::target_bytes(const Batch& batch) const {
  if (token_bytes_->empty()) return std::nullopt;
  std::int64_t known = 0, unknown = 0;
  for (const TokenId id : batch.targets) {
    if (id < 0) continue;
    const std::int32_t bytes = (*token_bytes_)[static_cast<std::size_t>(id)];
    known += std::max(bytes, 0);
    unknown += bytes < 0;
  }
  if (unknown == 0) return static_cast<double>(known);
  if (!unknown_bytes_) return std::nullopt;
  return static_cast<double>(known) + static_cast<double>(unknown) * *unknown_bytes_;
}

DataModule::DataModule(std::shared_ptr<const Parts> parts) : parts_(std::move(parts)) {}

const Tokenizer& DataModule::tokenizer() const { return *parts_->tokenizer; }
std::shared_ptr<const Tokenizer> DataModule::shared_tokenizer() const { return parts_->tokenizer; }
std::int64_t DataModule::vocab_size() const { return parts_->tokenizer->vocab_size(); }
std::int64_t DataModule::seq_len() const { return parts_->seq_len; }
const std::vector<ValidationSet>& DataModule::validation_sets() const { return parts_->validation_sets; }
const std::string& DataModule::identity() const { return parts_->identity; }
const fs::path& DataModule::folder() const { return parts_->folder; }
const std::vector<fs::path>& DataModule::folders() const { return parts_->folders; }

Batch DataModule::make_batch(std::int64_t first_sample, std::int64_t count) const {
  std::vector<std::int64_t> samples(static_cast<std::size_t>(count));
  std::iota(samples.begin(), samples.end(), first_sample);
  return make_batch(samples);
}

Batch DataModule::make_batch(std::span<const std::int64_t> samples) const {
  Batch batch = empty_batch(std::ssize(samples), parts_->seq_len);
  for (std::int64_t row = 0; row < batch.rows; ++row) {
    const std::int64_t sample = samples[static_cast<std::size_t>(row)];
    const SampleSlot slot = parts_->order->at(sample);
    batch.samples[static_cast<std::size_t>(row)] = sample;
    parts_->sources[slot.source].windows.fill(slot.window, batch, row);
  }
  return batch;
}

SampleOrigin DataModule::origin(std::int64_t sample) const {
  const SampleSlot slot = parts_->order->at(sample);
  const Parts::Source& source = parts_->sources[slot.source];
  return {source.name, slot.epoch, slot.window, source.windows.first_token(slot.window)};
}

const TokenStream& DataModule::source_stream(std::size_t source) const {
  return parts_->sources.at(source).windows.stream();
}

std::optional<TokenId> DataModule::document_opener() const { return parts_->sources.front().windows.opener(); }

std::int64_t DataModule::samples_per_epoch() const {
  std::int64_t windows = 0;
  for (const Parts::Source& source : parts_->sources) windows += source.windows.full();
  return windows;
}

std::int64_t DataModule::tokens_per_epoch() const { return samples_per_epoch() * parts_->seq_len; }

std::vector<SourceSummary> DataModule::sources() const {
  std::vector<SourceSummary> summaries;
  for (std::size_t i = 0; i < parts_->sources.size(); ++i) {
    const Parts::Source& source = parts_->sources[i];
    const TokenStream& stream = source.windows.stream();
    summaries.push_back({source.name, parts_->order->share(i), stream.documents(), stream.tokens(),
                         source.windows.full(), source.text_bytes});
  }
  return summaries;
}

}  // namespace ingot
