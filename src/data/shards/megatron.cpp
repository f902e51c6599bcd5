#include "data/shards/megatron.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "data/text/byte_stream.h"

namespace ingot {
namespace {

constexpr std::int64_t kLargestSmallVocab = 65500;
constexpr std::uint8_t kTypeI32 = 4;
constexpr std::uint8_t kTypeU16 = 8;

void cut_file(const fs::path& path, std::int64_t bytes) {
  std::error_code failure;
  const auto size = static_cast<std::int64_t>(fs::file_size(path, failure));
  if (failure || size < bytes) {
    throw DataError(cat("'", path.string(), "' has ", failure ? 0 : size, " bytes, expected at least ", bytes,
                        ": remove its folder to start again"));
  }
  fs::resize_file(path, static_cast<std::uintmax_t>(bytes), failure);
  if (failure) throw DataError("cannot cut '" + path.string() + "': " + failure.message());
}

/// Reads a file of lengths, which must hold `count` of them.
void for_each_length(const fs::path& path, std::int64_t count, const std::function<void(std::int32_t)>& use) {
  const auto file = open_plain_file(path);
  std::vector<std::int32_t> lengths(std::size_t{1} << 14);
  while (count > 0) {
    const auto want = static_cast<std::size_t>(std::min<std::int64_t>(count, std::ssize(lengths)));
    const std::size_t bytes = want * sizeof(std::int32_t);
    if (file->read(reinterpret_cast<char*>(lengths.data()), bytes) != bytes) {
      throw DataError("'" + path.string() + "' ends too soon: remove its folder to start again");
    }
    for (std::size_t i = 0; i < want; ++i) use(lengths[i]);
    count -= static_cast<std::int64_t>(want);
  }
}

template <class T>
void put(FileWriter& file, T value) {
  file.write(&value, sizeof value);
}

}  // namespace

std::int64_t megatron_item_size(std::int64_t vocab_size) { return vocab_size < kLargestSmallVocab ? 2 : 4; }

MegatronWriter::MegatronWriter(const fs::path& folder, const std::string& stem, std::int64_t vocab_size)
    : folder_(folder), stem_(stem), is_small_(megatron_item_size(vocab_size) == 2) {
  bin_ = std::make_unique<FileWriter>(bin_path(), ExitCode::kData);
  lengths_ = std::make_unique<FileWriter>(lengths_path(), ExitCode::kData);
}

MegatronWriter::MegatronWriter(const fs::path& folder, const std::string& stem, std::int64_t vocab_size,
                               const MegatronProgress& progress)
    : folder_(folder), stem_(stem), is_small_(megatron_item_size(vocab_size) == 2), progress_(progress) {
  cut_file(bin_path(), progress.tokens * megatron_item_size(vocab_size));
  cut_file(lengths_path(), progress.documents * std::int64_t{sizeof(std::int32_t)});
  bin_ = std::make_unique<FileWriter>(bin_path(), ExitCode::kData, FileWriter::Mode::kAppend);
  lengths_ = std::make_unique<FileWriter>(lengths_path(), ExitCode::kData, FileWriter::Mode::kAppend);
}

void MegatronWriter::append(std::span<const TokenId> ids) {
  for (const TokenId id : ids) progress_.largest_id = std::max<std::int64_t>(progress_.largest_id, id);
  if (is_small_) {
    scratch_.assign(ids.begin(), ids.end());
    bin_->write(scratch_.data(), scratch_.size() * sizeof(std::uint16_t));
  } else {
    bin_->write(ids.data(), ids.size_bytes());
  }
  progress_.tokens += std::ssize(ids);
  progress_.open_document += std::ssize(ids);
  if (progress_.open_document > std::numeric_limits<std::int32_t>::max()) {
    throw DataError("a document of more than 2^31 - 1 tokens, which the .idx format cannot hold");
  }
}

void MegatronWriter::end_document() {
  put(*lengths_, static_cast<std::int32_t>(progress_.open_document));
  progress_.open_document = 0;
  ++progress_.documents;
}

void MegatronWriter::forget_document() {
  progress_.tokens -= progress_.open_document;
  progress_.open_document = 0;
}

void MegatronWriter::cut_to_progress() {
  bin_->flush();
  bin_.reset();
  cut_file(bin_path(), progress_.tokens * (is_small_ ? 2 : 4));
  bin_ = std::make_unique<FileWriter>(bin_path(), ExitCode::kData, FileWriter::Mode::kAppend);
}

void MegatronWriter::sync() {
  bin_->sync();
  lengths_->sync();
}

void MegatronWriter::finish() {
  bin_->finish();
  lengths_->finish();
  const std::int64_t documents = progress_.documents;
  FileWriter index(folder_ / (stem_ + ".idx"), ExitCode::kData);
  index.write("MMIDIDX\0\0", 9);
  put(index, std::uint64_t{1});
  put(index, is_small_ ? kTypeU16 : kTypeI32);
  put(index, static_cast<std::uint64_t>(documents));
  put(index, static_cast<std::uint64_t>(documents + 1));
  for_each_length(lengths_path(), documents, [&](std::int32_t length) { put(index, length); });
  std::int64_t offset = 0;
  for_each_length(lengths_path(), documents, [&](std::int32_t length) {
    put(index, offset);
    offset += length * std::int64_t{is_small_ ? 2 : 4};
  });
  for (std::int64_t i = 0; i <= documents; ++i) put(index, i);
  index.finish();
}

void MegatronWriter::remove_lengths(const fs::path& folder, const std::string& stem) {
  fs::remove(folder / (stem + ".lengths"));
}

}  // namespace ingot
