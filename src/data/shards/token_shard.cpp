#include "data/shards/token_shard.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <system_error>

#include "base/error.h"
#include "base/reading.h"
#include "base/text.h"

namespace ingot {
namespace {

constexpr std::size_t kIndexHeader = 34;
constexpr std::string_view kIndexMagic{"MMIDIDX\0\0", 9};
constexpr std::size_t kLlmcHeader = 1024;

[[noreturn]] void fail(const fs::path& path, std::size_t byte, const std::string& message) {
  throw DataError(cat(path.string(), ": byte ", byte, ": ", message));
}

/// Reads a number that need not be aligned.
template <class T>
T number_at(const char* bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes + offset, sizeof value);
  return value;
}

/// Read by position and not through a map: a file that is cut or fails while it is in use is an error, not a signal.
class TokenFile {
 public:
  explicit TokenFile(const fs::path& path) : path_(path), descriptor_(open_regular(path, ExitCode::kData)) {
    struct stat status;
    if (::fstat(descriptor_, &status) != 0) {
      ::close(descriptor_);
      throw DataError("cannot open '" + path.string() + "': " + std::generic_category().message(errno));
    }
    size_ = status.st_size;
  }
  TokenFile(const TokenFile&) = delete;
  TokenFile& operator=(const TokenFile&) = delete;
  ~TokenFile() { ::close(descriptor_); }

  std::int64_t size() const { return size_; }
  void read_at(std::int64_t offset, std::size_t size, char* out) const {
    for (std::size_t done = 0; done < size;) {
      const std::int64_t at = offset + static_cast<std::int64_t>(done);
      const ssize_t got = ::pread(descriptor_, out + done, size - done, at);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) fail(path_, static_cast<std::size_t>(at), std::generic_category().message(errno));
      if (got == 0) fail(path_, static_cast<std::size_t>(at), cat("the file ends, expected ", size_, " bytes"));
      done += static_cast<std::size_t>(got);
    }
  }

 private:
  fs::path path_;
  int descriptor_;
  std::int64_t size_ = 0;
};

/// Numbers of any alignment in a file that is too large to keep. Looked up through a few pages, so that neighbours, and
/// the last steps of a search, cost no call to the kernel. Several threads may ask.
class NumberFile {
 public:
  explicit NumberFile(const fs::path& path) : path_(path), file_(path) {}

  const fs::path& path() const { return path_; }
  std::size_t size() const { return static_cast<std::size_t>(file_.size()); }
  /// Throws DataError for a number beyond the end, or if the file has been cut.
  template <class T>
  T at(std::size_t byte) const {
    static_assert(sizeof(T) <= kOverlap);
    if (size() < sizeof(T) || byte > size() - sizeof(T)) fail(path_, byte, "beyond the end of the file");
    const std::lock_guard lock(mutex_);
    return number_at<T>(page(byte / kPage), byte % kPage);
  }

 private:
  static constexpr std::size_t kPage = 2048, kOverlap = 8, kPages = 4;
  struct Page {
    std::size_t number = SIZE_MAX;
    std::array<char, kPage + kOverlap> bytes;
  };

  const char* page(std::size_t number) const {
    for (const Page& page : pages_) {
      if (page.number == number) return page.bytes.data();
    }
    Page& page = pages_[next_];
    next_ = (next_ + 1) % kPages;
    page.number = SIZE_MAX;  // until it is read
    const std::size_t begin = number * kPage;
    file_.read_at(static_cast<std::int64_t>(begin), std::min(page.bytes.size(), size() - begin), page.bytes.data());
    page.number = number;
    return page.bytes.data();
  }

  fs::path path_;
  TokenFile file_;
  mutable std::mutex mutex_;
  mutable std::array<Page, kPages> pages_;
  mutable std::size_t next_ = 0;
};

template <class T>
void widen(const char* bytes, std::int64_t count, TokenId* out) {
  for (std::int64_t i = 0; i < count; ++i) {
    const auto value = static_cast<std::int64_t>(number_at<T>(bytes, static_cast<std::size_t>(i) * sizeof(T)));
    // Ids that do not fit would change their value: -1 is out of every vocabulary's range.
    out[i] = value < 0 || value > INT32_MAX ? -1 : static_cast<TokenId>(value);
  }
}

using Widen = void (*)(const char*, std::int64_t, TokenId*);

struct ItemType {
  std::size_t size = 0;
  Widen widen = nullptr;
};

/// Megatron's codes; 6 and 7 are floating point.
ItemType item_type(std::uint8_t code) {
  switch (code) {
    case 1:
      return {1, widen<std::uint8_t>};
    case 2:
      return {1, widen<std::int8_t>};
    case 3:
      return {2, widen<std::int16_t>};
    case 4:
      return {4, widen<std::int32_t>};
    case 5:
      return {8, widen<std::int64_t>};
    case 8:
      return {2, widen<std::uint16_t>};
    default:
      return {};
  }
}

void read_ids(const TokenFile& file, std::int64_t offset, const ItemType& type, std::int64_t count, TokenId* out) {
  std::string bytes(static_cast<std::size_t>(count) * type.size, '\0');
  file.read_at(offset, bytes.size(), bytes.data());
  type.widen(bytes.data(), count, out);
}

fs::path with_extension(fs::path path, const char* extension) { return path.replace_extension(extension); }

/// The arrays of an .idx file.
class MegatronIndex {
 public:
  explicit MegatronIndex(const fs::path& path) : file_(path) {
    const std::size_t size = file_.size();
    bool is_index = size >= kIndexHeader;
    for (std::size_t i = 0; is_index && i < kIndexMagic.size(); ++i) is_index = file_.at<char>(i) == kIndexMagic[i];
    if (!is_index) fail(path, 0, "not an index of token shards, expected 'MMIDIDX'");
    const auto version = file_.at<std::uint64_t>(9);
    if (version != 1) fail(path, 9, cat("version ", version, ", expected 1"));
    code_ = file_.at<std::uint8_t>(17);
    sequences_ = file_.at<std::uint64_t>(18);
    entries_ = file_.at<std::uint64_t>(26);
    if (item_type(code_).size == 0) fail(path, 17, cat("type ", +code_, " of ids, expected 1..5 or 8"));
    const std::size_t room = (size - kIndexHeader) / 8;
    const bool fits = sequences_ <= room && entries_ <= room && entries_ >= 1;
    const std::size_t expected = fits ? kIndexHeader + sequences_ * 12 + entries_ * 8 : 0;
    // Multimodal sets have one more byte for each sequence.
    if (!fits || (size != expected && size != expected + sequences_)) {
      fail(path, size, cat("the file ends, expected ", sequences_, " sequences and ", entries_, " document bounds"));
    }
    if (document(entries_ - 1) != sequences_ || document(0) != 0) {
      fail(path, byte_of_document(0), "document bounds that do not span the sequences");
    }
  }

  const fs::path& path() const { return file_.path(); }
  ItemType type() const { return item_type(code_); }
  std::uint64_t sequences() const { return sequences_; }
  std::uint64_t documents() const { return entries_ - 1; }
  std::int64_t length(std::uint64_t i) const { return file_.at<std::int32_t>(kIndexHeader + 4 * i); }
  std::int64_t offset(std::uint64_t i) const { return file_.at<std::int64_t>(byte_of_offset(i)); }
  std::uint64_t document(std::uint64_t i) const { return file_.at<std::uint64_t>(byte_of_document(i)); }
  std::size_t byte_of_offset(std::uint64_t i) const { return kIndexHeader + 4 * sequences_ + 8 * i; }
  std::size_t byte_of_document(std::uint64_t i) const { return kIndexHeader + 12 * sequences_ + 8 * i; }
  /// The first id of a sequence, by its offset.
  std::int64_t first_token(std::uint64_t sequence) const {
    const std::int64_t bytes = offset(sequence), size = static_cast<std::int64_t>(type().size);
    if (bytes < 0 || bytes % size != 0 || bytes / size > kMostTokens) {
      fail(path(), byte_of_offset(sequence), cat("offset ", bytes, ", expected a multiple of ", size, " from 0"));
    }
    return bytes / size;
  }
  /// Tokens that the index describes.
  std::int64_t tokens() const {
    if (sequences_ == 0) return 0;
    const std::int64_t last = length(sequences_ - 1);
    if (last < 0) fail(path(), kIndexHeader + 4 * (sequences_ - 1), cat("length ", last, " of a sequence"));
    return first_token(sequences_ - 1) + last;
  }

 private:
  NumberFile file_;
  std::uint8_t code_ = 0;
  std::uint64_t sequences_ = 0;
  std::uint64_t entries_ = 0;
};

class MegatronShard final : public TokenShard {
 public:
  MegatronShard(fs::path path, std::unique_ptr<MegatronIndex> index)
      : TokenShard(path, index->tokens()), index_(std::move(index)), type_(index_->type()), file_(this->path()) {
    const std::int64_t expected = byte_of(tokens());
    if (file_.size() != expected) {
      fail(this->path(), static_cast<std::size_t>(std::min(file_.size(), expected)),
           cat("the file has ", file_.size(), " bytes, expected ", expected, " by ",
               index_->path().filename().string()));
    }
  }

  std::int64_t documents() const override { return static_cast<std::int64_t>(index_->documents()); }
  void read(std::int64_t first, std::int64_t count, TokenId* out) const override {
    read_ids(file_, byte_of(first), type_, count, out);
  }
  void document_starts(std::int64_t first, std::int64_t end, std::vector<std::int64_t>& starts) const override {
    first = std::max<std::int64_t>(first, 1);
    std::uint64_t low = 0, high = index_->documents();
    for (std::size_t node = 1; low < high;) {
      const std::uint64_t middle = (low + high) / 2;
      const bool is_before = start_at(node, middle) < first;
      if (is_before) {
        low = middle + 1;
      } else {
        high = middle;
      }
      node = 2 * node + (is_before ? 1 : 0);
    }
    std::int64_t previous = first;
    for (; low < index_->documents(); ++low) {
      const std::int64_t start = start_of(low);
      if (start < previous) {
        fail(index_->path(), index_->byte_of_document(low),
             cat("document ", low, " begins at token ", start, ", expected one from ", previous, " on"));
      }
      if (start >= end) break;
      // Documents without tokens begin where the next one does.
      if (starts.empty() || starts.back() != start) starts.push_back(start);
      previous = start;
    }
  }
  std::int64_t byte_of(std::int64_t token) const override { return token * static_cast<std::int64_t>(type_.size); }

  void check_index() const override {
    std::int64_t expected = 0;
    for (std::uint64_t i = 0; i < index_->sequences(); ++i) {
      const std::int64_t length = index_->length(i);
      if (length < 0) fail(index_->path(), kIndexHeader + 4 * i, cat("length ", length, " of a sequence"));
      if (index_->offset(i) != expected) {
        fail(index_->path(), index_->byte_of_offset(i),
             cat("offset ", index_->offset(i), " of sequence ", i, ", expected ", expected));
      }
      expected += length * static_cast<std::int64_t>(type_.size);
    }
    for (std::uint64_t i = 1; i <= index_->documents(); ++i) {
      if (index_->document(i) < index_->document(i - 1) || index_->document(i) > index_->sequences()) {
        fail(index_->path(), index_->byte_of_document(i),
             cat("document ", i, " begins with sequence ", index_->document(i), ", expected ascending bounds"));
      }
    }
  }

 private:
  std::int64_t start_of(std::uint64_t document) const {
    const std::uint64_t sequence = index_->document(document);
    return sequence >= index_->sequences() ? tokens() : index_->first_token(sequence);
  }

  /// Every search begins with the same documents: node 1 is the one in the middle, 2 and 3 lie in the middle of its
  /// halves, and so on. The starts of the first ones are kept.
  std::int64_t start_at(std::size_t node, std::uint64_t document) const {
    if (node >= kKeptStarts) return start_of(document);
    const std::lock_guard lock(kept_mutex_);
    if (kept_starts_.empty()) kept_starts_.assign(kKeptStarts, -1);
    if (kept_starts_[node] < 0) kept_starts_[node] = start_of(document);
    return kept_starts_[node];
  }

  static constexpr std::size_t kKeptStarts = 2048;
  std::unique_ptr<MegatronIndex> index_;
  ItemType type_;
  TokenFile file_;
  mutable std::mutex kept_mutex_;
  mutable std::vector<std::int64_t> kept_starts_;
};

struct LlmcFormat {
  std::int32_t magic;
  std::int32_t version;
  std::size_t item_size;
  Widen widen;
};
constexpr LlmcFormat kLlmcFormats[] = {{20240520, 1, 2, widen<std::uint16_t>}, {20240801, 7, 4, widen<std::uint32_t>}};

class LlmcShard final : public TokenShard {
 public:
  LlmcShard(const fs::path& path, std::int64_t tokens, std::unique_ptr<TokenFile> file, const LlmcFormat& format,
            std::optional<TokenId> eos)
      : TokenShard(path, tokens), file_(std::move(file)), format_(format), eos_(eos) {
    const std::int64_t expected = byte_of(tokens);
    if (tokens < 0 || file_->size() != expected) {
      fail(path, static_cast<std::size_t>(std::min(file_->size(), std::max<std::int64_t>(expected, 8))),
           cat("the file has ", file_->size(), " bytes, expected ", expected, " for ", tokens, " tokens"));
    }
  }

  std::int64_t documents() const override { return 0; }
  void read(std::int64_t first, std::int64_t count, TokenId* out) const override {
    read_ids(*file_, byte_of(first), {format_.item_size, format_.widen}, count, out);
  }
  void document_starts(std::int64_t first, std::int64_t end, std::vector<std::int64_t>& starts) const override {
    first = std::max<std::int64_t>(first, 1);
    if (!eos_ || end <= first) return;
    // A document begins after each end.
    std::vector<TokenId> ids(static_cast<std::size_t>(end - first));
    read(first - 1, std::ssize(ids), ids.data());
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] == *eos_) starts.push_back(first + static_cast<std::int64_t>(i));
    }
  }
  bool begins_document() const override { return false; }
  bool ends_document() const override {
    if (!eos_ || tokens() == 0) return false;
    TokenId last;
    read(tokens() - 1, 1, &last);
    return last == *eos_;
  }
  std::int64_t byte_of(std::int64_t token) const override {
    return static_cast<std::int64_t>(kLlmcHeader) + token * static_cast<std::int64_t>(format_.item_size);
  }

 private:
  std::unique_ptr<TokenFile> file_;
  const LlmcFormat& format_;
  std::optional<TokenId> eos_;
};

const LlmcFormat* llmc_format(const char* bytes) {
  for (const LlmcFormat& format : kLlmcFormats) {
    if (number_at<std::int32_t>(bytes, 0) == format.magic) return &format;
  }
  return nullptr;
}

}  // namespace

std::unique_ptr<TokenShard> open_megatron(const fs::path& path) {
  auto index = std::make_unique<MegatronIndex>(with_extension(path, ".idx"));
  return std::make_unique<MegatronShard>(with_extension(path, ".bin"), std::move(index));
}

std::unique_ptr<TokenShard> open_llmc(const fs::path& path, std::optional<TokenId> eos) {
  auto file = std::make_unique<TokenFile>(path);
  char header[kLlmcHeader] = {};
  file->read_at(0, static_cast<std::size_t>(std::clamp<std::int64_t>(file->size(), 0, kLlmcHeader)), header);
  const LlmcFormat* format = llmc_format(header);
  if (format == nullptr) fail(path, 0, "not a token shard of llm.c, expected magic 20240520 or 20240801");
  const auto version = number_at<std::int32_t>(header, 4);
  if (version != format->version) fail(path, 4, cat("version ", version, ", expected ", format->version));
  const auto size = static_cast<std::size_t>(file->size());
  if (size < kLlmcHeader) fail(path, size, "the file ends within its header of 1024 bytes");
  return std::make_unique<LlmcShard>(path, number_at<std::int32_t>(header, 8), std::move(file), *format, eos);
}

std::optional<ShardKind> shard_kind(const fs::path& path) {
  if (path.extension() == ".idx") return ShardKind::kMegatron;
  if (path.extension() != ".bin") return std::nullopt;
  if (fs::exists(with_extension(path, ".idx"))) return ShardKind::kMegatron;
  const TokenFile file(path);
  char magic[8] = {};
  file.read_at(0, static_cast<std::size_t>(std::min<std::int64_t>(file.size(), sizeof magic)), magic);
  return llmc_format(magic) != nullptr ? std::optional(ShardKind::kLlmc) : std::nullopt;
}

}  // namespace ingot
