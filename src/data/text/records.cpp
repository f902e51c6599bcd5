// Recording and verifying files: the part of manifest.h that reads them.

#include <xxhash.h>

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "data/shards/checksum.h"
#include "data/shards/manifest.h"
#include "data/text/byte_stream.h"

namespace ingot {
namespace {

constexpr std::int64_t kReadAhead = std::int64_t{1} << 20;
using Report = std::function<void(std::int64_t bytes)>;

/// Calls `use` for each part of the file, which may be shorter at the end.
void for_each_part(const fs::path& path, const Report& progress,
                   const std::function<void(std::int64_t offset, const std::string& checksum)>& use) {
  const auto file = open_plain_file(path);
  std::string buffer(static_cast<std::size_t>(kReadAhead), '\0');
  XXH3_state_t* state = XXH3_createState();
  if (state == nullptr) throw std::bad_alloc();
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> owner(state, &XXH3_freeState);
  XXH3_64bits_reset(state);
  std::int64_t offset = 0, in_part = 0;
  const auto close_part = [&] {
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(XXH3_64bits_digest(state)));
    use(offset - in_part, digits);
    in_part = 0;
    XXH3_64bits_reset(state);
  };
  for (;;) {
    const std::size_t got = file->read(buffer.data(), buffer.size());
    if (got == 0) break;
    XXH3_64bits_update(state, buffer.data(), got);
    offset += static_cast<std::int64_t>(got);
    in_part += static_cast<std::int64_t>(got);
    if (progress) progress(static_cast<std::int64_t>(got));
    if (in_part == FileRecord::kPart) close_part();
  }
  if (in_part > 0) close_part();
}

fs::path place(const fs::path& folder, const fs::path& path) { return path.is_absolute() ? path : folder / path; }

std::string changed(const fs::path& path, const std::string& what) {
  return path.string() + " has changed since it was recorded: " + what;
}

}  // namespace

FileRecord record_file(const fs::path& path, const fs::path& shown_path, const Report& progress) {
  static_assert(FileRecord::kPart % kReadAhead == 0);
  const SourceFile file = look_at(path);
  FileRecord record{shown_path, file.bytes, file.modified_ns, {}};
  for_each_part(path, progress, [&](std::int64_t, const std::string& sum) { record.checksums.push_back(sum); });
  return record;
}

std::string verify_file(const FileRecord& record, const fs::path& folder, const Report& progress) {
  const fs::path path = place(folder, record.path);
  if (!fs::exists(path)) return path.string() + " is missing";
  const SourceFile file = look_at(path);
  if (file.bytes != record.bytes) {
    return changed(path, cat("it has ", file.bytes, " bytes, expected ", record.bytes));
  }
  std::string problem;
  std::size_t part = 0;
  for_each_part(path, progress, [&](std::int64_t offset, const std::string& checksum) {
    const bool is_good = part < record.checksums.size() && record.checksums[part] == checksum;
    if (!is_good && problem.empty()) {
      const std::int64_t end = std::min(offset + FileRecord::kPart, record.bytes);
      problem = changed(path, cat("the checksum of bytes ", offset, "..", end - 1, " differs"));
    }
    ++part;
  });
  return problem;
}

std::string hash_file(const fs::path& path) {
  const auto file = open_plain_file(path);
  std::string buffer(static_cast<std::size_t>(kReadAhead), '\0');
  StreamHash hash;
  for (std::size_t got; (got = file->read(buffer.data(), buffer.size())) > 0;) hash.update(buffer.data(), got);
  return hash.digest();
}

ShardRecord scan_shard(const fs::path& path, ShardKind kind, std::int64_t vocab_size, std::optional<TokenId> eos) {
  const auto shard = kind == ShardKind::kMegatron ? open_megatron(path) : open_llmc(path, eos);
  shard->check_index();
  ShardRecord record;
  record.kind = kind;
  record.ids.path = shard->path();
  record.tokens = shard->tokens();
  record.documents = shard->documents();
  std::vector<TokenId> ids(static_cast<std::size_t>(kReadAhead));
  for (std::int64_t first = 0; first < shard->tokens(); first += std::ssize(ids)) {
    const std::int64_t count = std::min<std::int64_t>(std::ssize(ids), shard->tokens() - first);
    shard->read(first, count, ids.data());
    for (std::int64_t i = 0; i < count; ++i) {
      const TokenId id = ids[static_cast<std::size_t>(i)];
      if (id < 0 || id >= vocab_size) {
        throw DataError(cat(shard->path().string(), ": byte ", shard->byte_of(first + i), ": token ", id,
                            " is out of range, expected 0..", vocab_size - 1));
      }
      record.largest_id = std::max<std::int64_t>(record.largest_id, id);
      if (kind == ShardKind::kLlmc && eos && id == *eos) ++record.documents;
    }
  }
  return record;
}

ShardRecord record_shard(const fs::path& path, const fs::path& shown_folder, ShardKind kind, std::int64_t vocab_size,
                         std::optional<TokenId> eos, const Report& progress) {
  ShardRecord record = scan_shard(path, kind, vocab_size, eos);
  const auto shown = [&](const fs::path& file) {
    return shown_folder.empty() ? fs::absolute(file).lexically_normal()
                                : (shown_folder / file.filename()).lexically_normal();
  };
  const fs::path ids = record.ids.path;
  record.ids = record_file(ids, shown(ids), progress);
  if (kind == ShardKind::kMegatron) {
    const fs::path index = fs::path(ids).replace_extension(".idx");
    record.index = record_file(index, shown(index), progress);
  }
  return record;
}

namespace {

/// True if the time had to be updated. Throws DataError if the file is another one.
bool check_record(FileRecord& record, const fs::path& folder) {
  const fs::path path = place(folder, record.path);
  if (!fs::exists(path)) throw DataError(path.string() + " is missing");
  const SourceFile file = look_at(path);
  if (file.bytes != record.bytes) {
    throw DataError(changed(path, cat("it has ", file.bytes, " bytes, expected ", record.bytes)));
  }
  if (file.modified_ns == record.modified_ns) return false;
  log::info(path.string() + " has another time than recorded: verifying its checksums");
  if (const std::string problem = verify_file(record, folder); !problem.empty()) throw DataError(problem);
  record.modified_ns = file.modified_ns;
  return true;
}

}  // namespace

OpenedSplit open_split(SplitRecord& record, const fs::path& folder, std::optional<TokenId> eos) {
  OpenedSplit opened;
  for (ShardRecord& shard : record.shards) {
    opened.record_changed |= check_record(shard.ids, folder);
    if (shard.index) opened.record_changed |= check_record(*shard.index, folder);
    const fs::path path = place(folder, shard.ids.path);
    auto file = shard.kind == ShardKind::kMegatron ? open_megatron(path) : open_llmc(path, eos);
    if (file->tokens() != shard.tokens) {
      throw DataError(changed(path, cat("it has ", file->tokens(), " tokens, expected ", shard.tokens)));
    }
    opened.shards.push_back(std::move(file));
  }
  return opened;
}

bool check_sources(std::vector<SourceRecord>& sources, const std::string& remedy, std::vector<fs::path>* gone) {
  bool is_updated = false;
  for (SourceRecord& source : sources) {
    const fs::path& path = source.file.path;
    if (!fs::exists(path)) {
      if (gone == nullptr) throw DataError(path.string() + " is missing, but was tokenised before: " + remedy);
      gone->push_back(path);
      continue;
    }
    const SourceFile now = look_at(path);
    if (now == source.file) continue;
    std::string what;
    if (now.bytes != source.file.bytes) {
      what = cat("it has ", now.bytes, " bytes instead of ", source.file.bytes);
    } else if (source.hash.empty() || hash_file(path) != source.hash) {
      what = "its text is another one of the same size";
    }
    if (!what.empty()) {
      throw DataError(path.string() + " has changed since it was tokenised: " + what + "; " + remedy);
    }
    source.file.modified_ns = now.modified_ns;
    is_updated = true;
  }
  return is_updated;
}

}  // namespace ingot
