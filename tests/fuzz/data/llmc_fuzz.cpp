// Shards of llm.c.

#include "data/shards/manifest.h"
#include "data/shards/token_shard.h"
#include "fuzz/fuzz.h"

namespace ingot {
namespace {

constexpr TokenId kEos = 2;

std::string shard(std::int32_t magic, std::int32_t version, std::int32_t tokens, const std::string& ids) {
  std::int32_t header[256] = {magic, version, tokens};
  return std::string(reinterpret_cast<const char*>(header), sizeof header) + ids;
}

}  // namespace

std::vector<std::string> fuzz::seeds() {
  return {shard(20240520, 1, 4, std::string("\1\0\2\0\3\0\2\0", 8)), shard(20240801, 7, 1, std::string("\1\0\0\0", 4)),
          shard(20240520, 1, 0, "")};
}

std::vector<std::string> fuzz::words() { return {std::string(4, '\xff'), std::string(4, '\0')}; }

}  // namespace ingot

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ingot;
  const fs::path path = fuzz::write("input.bin", fuzz::text_of(data, size));
  fuzz::accepts(ExitCode::kData, [&] {
    if (shard_kind(path) != ShardKind::kLlmc) return;
    const auto shard = open_llmc(path, kEos);
    std::vector<std::int64_t> starts;
    shard->document_starts(0, shard->tokens(), starts);
    std::vector<TokenId> ids(static_cast<std::size_t>(shard->tokens()));
    shard->read(0, shard->tokens(), ids.data());
    fuzz::require(starts.size() <= ids.size(), "a document has a token");
    shard->ends_document();
    record_shard(path, ".", ShardKind::kLlmc, 100, kEos);
  });
  return 0;
}
