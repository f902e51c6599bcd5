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

}  // namespace

ValidationSet::ValidationSet(std::string name, std::shared_ptr<const TokenStream> stream, std::int64_t seq_len,
                             bool reset_at_document, std::shared_ptr<const std::vector<std::int32_t>> token_bytes)
    : name_(std::move(name)),
      stream_(std::move(stream)),
      seq_len_(seq_len),
      reset_at_document_(reset_at_document),
      token_bytes_(std::move(token_bytes)) {
  if (stream_->tokens() < 2) {
    throw DataError(cat("the held-out set '", name_, "' has ", stream_->tokens(), " tokens, expected at least 2"));
  }
}

std::int64_t ValidationSet::tokens() const { return stream_->tokens(); }
std::int64_t ValidationSet::documents() const { return stream_->documents(); }
std::int64_t ValidationSet::windows() const { return (stream_->tokens() - 1 + seq_len_ - 1) / seq_len_; }

std::int64_t ValidationSet::windows(std::optional<std::int64_t> max_tokens) const {
  if (!max_tokens) return windows();
  return std::clamp<std::int64_t>(*max_tokens / seq_len_, 1, windows());
}

Batch ValidationSet::make_batch(std::int64_t first, std::int64_t rows) const {
  Batch batch = empty_batch(rows, seq_len_);
  const std::int64_t count = windows();
  for (std::int64_t row = 0; row < rows; ++row) {
    batch.samples[static_cast<std::size_t>(row)] = first + row;
    if (first + row >= count) continue;
    const auto window = static_cast<std::int64_t>(
        permute(static_cast<std::uint64_t>(count), kValidationKey, static_cast<std::uint64_t>(first + row)));
    fill_row(*stream_, window * seq_len_, reset_at_document_, batch, row);
  }
  return batch;
}

std::optional<std::int64_t> ValidationSet::target_bytes(const Batch& batch) const {
  if (token_bytes_->empty()) return std::nullopt;
  std::int64_t bytes = 0;
  for (const TokenId id : batch.targets) {
    if (id >= 0) bytes += (*token_bytes_)[static_cast<std::size_t>(id)];
  }
  return bytes;
}

DataModule::DataModule(std::shared_ptr<const Parts> parts) : parts_(std::move(parts)) {}

const Tokenizer& DataModule::tokenizer() const { return *parts_->tokenizer; }
std::shared_ptr<const Tokenizer> DataModule::shared_tokenizer() const { return parts_->tokenizer; }
std::int64_t DataModule::vocab_size() const { return parts_->tokenizer->vocab_size(); }
std::int64_t DataModule::seq_len() const { return parts_->seq_len; }
const std::vector<ValidationSet>& DataModule::validation_sets() const { return parts_->validation_sets; }
const std::vector<std::int32_t>& DataModule::token_bytes() const { return *parts_->token_bytes; }
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
    fill_row(*parts_->sources[slot.source].stream, slot.window * parts_->seq_len, parts_->reset_at_document, batch,
             row);
  }
  return batch;
}

SampleOrigin DataModule::origin(std::int64_t sample) const {
  const SampleSlot slot = parts_->order->at(sample);
  return {parts_->sources[slot.source].name, slot.epoch, slot.window, slot.window * parts_->seq_len};
}

const TokenStream& DataModule::source_stream(std::size_t source) const { return *parts_->sources.at(source).stream; }

std::int64_t DataModule::samples_per_epoch() const {
  std::int64_t windows = 0;
  for (const Parts::Source& source : parts_->sources) windows += source.windows;
  return windows;
}

std::int64_t DataModule::tokens_per_epoch() const { return samples_per_epoch() * parts_->seq_len; }

std::vector<SourceSummary> DataModule::sources() const {
  std::vector<SourceSummary> summaries;
  for (std::size_t i = 0; i < parts_->sources.size(); ++i) {
    const Parts::Source& source = parts_->sources[i];
    summaries.push_back({source.name, parts_->order->share(i), source.stream->documents(), source.stream->tokens(),
                         source.windows, source.text_bytes});
  }
  return summaries;
}

}  // namespace ingot
